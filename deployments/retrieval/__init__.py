"""Keeps search results under leases: a question asked before needs no search, and gets no old result.

The knowledge base's process grants leases (`lease_granting`, `granted_leases`). An agent's process holds
them (`held_leases`), keeps results (`cached_retriever`) and cache salts (`tenant_salts`) under them, and
drops what has changed from its memory (`forgetting`). `core.leases` has the messages between the two.
"""
