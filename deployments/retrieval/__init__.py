"""Retrieval without searching: results kept under leases, and the leases on both sides."""
