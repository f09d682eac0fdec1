"""Cuts a Markdown text into passages that can be understood by themselves."""
