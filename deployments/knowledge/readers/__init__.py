"""Readers: from a file's bytes to Markdown, one module a format. `loaders` chooses the reader."""
