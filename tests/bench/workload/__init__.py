"""A workload like a published week of real RAG traffic, and its replay through modelled prefix caches."""
