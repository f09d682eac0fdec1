"""Converts HTML pages to Markdown."""

from __future__ import annotations

import re
from typing import Any

from bs4 import BeautifulSoup, ParserRejectedMarkup, Tag
from markdownify import MarkdownConverter

_MAX_COLUMNS = 100
"""Columns that one cell may span."""
_MAX_SPANNED_COLUMNS = 10_000
"""Columns that all cells of a page together may span; each further cell gets one column."""
_MAX_NUMBER_DIGITS = 9
"""Digits of a list's first number. A list with a longer one starts at 1."""
_NUMBER = "data-warmline-number"


class _Converter(MarkdownConverter):
    """Converts items of numbered lists in linear time: the base class counts the items before each item."""

    def convert_li(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        number = el.get(_NUMBER)
        if number is None or not (text := text.strip()):
            return str(super().convert_li(el, text, parent_tags))  # type: ignore[misc]
        mark = f"{number}. "
        first, *others = text.split("\n")
        indented = (" " * len(mark) + line if line else "" for line in others)
        return "\n".join((mark + first, *indented)) + "\n"


_TO_MARKDOWN = _Converter(heading_style="atx", escape_asterisks=False, escape_underscores=False)
"""Escapes neither `_` nor `*`: a language model reads the text, not a renderer."""


def html_text(page: str) -> tuple[str, str]:
    """Returns the title (or "") and the text as Markdown.

    Raises ValueError, whose message says why the page can't be read.
    """
    try:
        return _title_and_text(page)
    except RecursionError as error:
        raise ValueError("its HTML is nested too deeply") from error
    except (ParserRejectedMarkup, ValueError) as error:
        # ValueError: a character reference, list start or column span is not a number.
        raise ValueError("its HTML is malformed") from error


def _title_and_text(page: str) -> tuple[str, str]:
    soup = BeautifulSoup(page, "html.parser")
    heading = soup.title or soup.h1
    title = heading.get_text() if heading else ""
    for tag in soup(["head", "script", "style", "noscript", "template"]):
        tag.decompose()
    for image in soup("img"):
        # Images can't be read, and a `data:` URL would add megabytes of text.
        image.replace_with(_attribute(image, "alt"))
    for numbered in soup("ol"):
        _number_items(numbered)
    _limit_spans(soup)
    return title, re.sub(r"\n{3,}", "\n\n", _TO_MARKDOWN.convert_soup(soup))


def _attribute(tag: Tag, name: str) -> str:
    value: Any = tag.get(name)
    return value if isinstance(value, str) else ""


def _number_items(numbered: Tag) -> None:
    start = _attribute(numbered, "start")
    first = int(start) if start.isnumeric() and len(start) <= _MAX_NUMBER_DIGITS else 1
    for number, item in enumerate(numbered("li", recursive=False), first):
        item[_NUMBER] = str(number)


def _limit_spans(soup: BeautifulSoup) -> None:
    left = _MAX_SPANNED_COLUMNS
    for cell in soup(["td", "th"]):
        span = _attribute(cell, "colspan")
        if span.isdigit():
            columns = max(1, min(int(span), _MAX_COLUMNS, left))
            cell["colspan"] = str(columns)
            left -= columns
