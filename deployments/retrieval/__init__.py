"""Keeps search results under leases: a question asked before needs no search, and gets no old result.

The knowledge base's process grants leases (`lease_granting`, `lease_table`). An agent's process holds
them (`lease_keeper`) and keeps results under them (`cached_retriever`). `core.leases` has the messages
between the two.
"""
