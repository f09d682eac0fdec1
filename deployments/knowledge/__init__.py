"""Documents, their chunks and embeddings in a database, and hybrid search over them."""
