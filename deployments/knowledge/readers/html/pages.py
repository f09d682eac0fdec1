"""Reads a page: parses it, drops what is not the article, and writes the rest as Markdown."""

from __future__ import annotations

import re

from bs4 import BeautifulSoup, Tag

from deployments.knowledge.readers.html.article import article_of, page_title_of, title_of
from deployments.knowledge.readers.html.chrome import drop_chrome
from deployments.knowledge.readers.html.code import flatten_code
from deployments.knowledge.readers.html.controls import drop_controls
from deployments.knowledge.readers.html.definitions import head_signatures
from deployments.knowledge.readers.html.layout import flatten_layout
from deployments.knowledge.readers.html.permalinks import drop_permalinks
from deployments.knowledge.readers.html.tree import depth
from deployments.knowledge.readers.html.unseen import drop_unseen
from deployments.knowledge.readers.html.writer import Writer

_XML_DECLARATION = re.compile(r"<\?xml\b[^<>]{0,300}>", re.IGNORECASE)
_MAX_DEPTH = 200
"""Elements inside each other. The writer calls itself for each; pages in use have fewer than 60."""
_UNREAD = re.compile("[\u00ad\u200b\u2060\ufeff\ue000-\uf8ff]")
"""Soft hyphens, other invisible characters inside words, and the glyphs of icon fonts."""


def html_text(page: str) -> tuple[str, str]:
    """Returns the title (or "") and the article as Markdown.

    The article is what is left without navigation, contents lists, notices and hidden text. Of a page that
    has nothing else, navigation is kept. Raises ValueError, whose message says why the page can't be read.
    """
    soup = _parsed(page)
    page_title = page_title_of(soup)
    _drop_unread(soup)
    drop_chrome(soup)
    drop_controls(soup)
    article = article_of(soup)
    title, text = title_of(article, page_title), _markdown(article)
    return _UNREAD.sub("", title), text or html_fragment(page)


def html_fragment(text: str) -> str:
    """Returns a block of HTML, as Markdown documents contain them, as Markdown.

    A block may be a part of an element: an opening or a closing tag alone becomes "". Hidden text is
    dropped, all other text is kept. Raises ValueError as `html_text` does.
    """
    soup = _parsed(text)
    _drop_unread(soup)
    drop_controls(soup)
    return _markdown(soup)


def _drop_unread(soup: BeautifulSoup) -> None:
    drop_unseen(soup)
    drop_permalinks(soup)


def _parsed(page: str) -> BeautifulSoup:
    # Unlike `html.parser`, lxml knows which elements end without an end tag: items, cells, paragraphs.
    # bs4 warns of a page that begins like XML or like the name of a file.
    soup = BeautifulSoup("<!DOCTYPE html>" + _XML_DECLARATION.sub("", page), "lxml")
    if depth(soup) > _MAX_DEPTH:
        raise ValueError(f"its HTML is nested too deeply, by more than {_MAX_DEPTH} elements")
    return soup


def _markdown(root: Tag) -> str:
    flatten_code(root)
    flatten_layout(root)
    head_signatures(root)
    text = _UNREAD.sub("", Writer().process_tag(root)).replace("\u00a0", " ")
    lines = (line if line.strip() else "" for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
