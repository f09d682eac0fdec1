"""Retrieval-augmented generation on token ids: from a question to a prompt's ids, and to an answer."""
