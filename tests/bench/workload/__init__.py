"""Generates a workload like a published week of RAG traffic, and replays it through modelled caches."""
