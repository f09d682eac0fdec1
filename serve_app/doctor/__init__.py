"""Checks of an installation: each finds out one thing, and says how to mend it."""
