"""Deletes texts from every store: on demand, as a job that survives a crash, and by age."""
