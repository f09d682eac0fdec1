"""Finds a page's article, and its title."""

from __future__ import annotations

import re

from bs4 import BeautifulSoup, Tag

from deployments.knowledge.readers.html.tree import HEADINGS, attribute, names, tags, text_of, visible
from deployments.knowledge.readers.html.weights import Weights

_CLASSES = names(
    "body content main article post entry-content article-body article-content markdown-body markdown"
    " post-content page-content main-content documentation document"
)
_SITE = re.compile(r"\s+[|\u2014\u2013·»]\s+[^|\u2014\u2013·»]+$")
"""The name of the site, after the title of the page."""


def article_of(soup: BeautifulSoup) -> Tag:
    """The smallest element that holds the article: `main`, or what has most of the text outside of links."""
    weights = Weights(soup)
    found: Tag = soup.body or soup
    for tag in visible(soup):
        if not isinstance(tag, Tag):
            continue
        weight, whole = weights[tag], weights[found]
        is_main = tag.name == "main" or attribute(tag, "role") == "main"
        if is_main and weight.text and found.name in ("body", "[document]"):
            found = tag
        elif _may_be_article(tag) and weight.holds_title >= whole.holds_title and _is_in(found, tag):
            # A page can have several articles, or an article and as much text around it.
            found = tag if 4 * weight.prose >= 3 * whole.prose > 0 else found
    return found


def _is_in(outer: Tag, tag: Tag) -> bool:
    return any(parent is outer for parent in tag.parents)


def _may_be_article(tag: Tag) -> bool:
    if tag.name == "article" or attribute(tag, "itemprop") == "articleBody":
        return True
    names = {attribute(tag, "id").lower(), *attribute(tag, "class").lower().split()}
    return tag.name in ("div", "section") and not names.isdisjoint(_CLASSES)


def title_of(article: Tag, page: str) -> str:
    """The article's first `h1`; else the title of the page without the site's; else the first heading."""
    headings = tags(article, *HEADINGS)
    for heading in headings:
        if heading.name == "h1" and (text := text_of(heading)):
            return text
    if page and headings:
        first = text_of(headings[0])
        if re.match(re.escape(first) + r"\s+\W", page):
            return first
    return _SITE.sub("", page) or (text_of(headings[0]) if headings else "")


def page_title_of(soup: BeautifulSoup) -> str:
    """The title in the head of a page of which nothing is dropped yet; pictures may also have titles."""
    title = next((title for title in soup("title") if title.find_parent("svg") is None), None)
    return " ".join(title.get_text().split()) if title is not None else ""
