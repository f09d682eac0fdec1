"""Reads text in pictures, for features."""
