"""The stored conversations."""
