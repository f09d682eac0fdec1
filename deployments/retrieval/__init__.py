"""Results of searches kept under leases, so that a question asked before needs no search and is never stale.

The knowledge base's process grants leases (`lease_granting`, `lease_table`). An agent's process holds them
(`lease_keeper`) and keeps results under them (`cached_retriever`). `core.leases` has the messages between the
two.
"""
