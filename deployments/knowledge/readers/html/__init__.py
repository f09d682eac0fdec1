"""Converts HTML pages to the Markdown of the article that a reader sees."""

from deployments.knowledge.readers.html.pages import html_fragment, html_text

__all__ = ["html_fragment", "html_text"]
