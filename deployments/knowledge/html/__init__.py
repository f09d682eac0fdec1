"""Converts HTML pages to the Markdown of the article that a reader sees."""

from deployments.knowledge.html.pages import html_fragment, html_text

__all__ = ["html_fragment", "html_text"]
