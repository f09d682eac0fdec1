"""Words of a text, for full text search and for statistics."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

_COMMON = (
    "a about am an and any are as at be been but by can could did do does for from had has have how i if "
    "in into is it its me my no not of on or our out shall should so some than that the their them then "
    "there these they this those to us was we were what when where which while who why will with would "
    "you your"
)
COMMON_WORDS = frozenset(_COMMON.split())
"""English words that say nothing about a text's topic (stop words)."""


def content_words(text: str) -> list[str]:
    """The words of a text in lower case, without `COMMON_WORDS`."""
    return [word for word in words_of(text.casefold()) if word not in COMMON_WORDS]


def words_of(text: str) -> Iterator[str]:
    """The words of a text: runs of letters, digits and marks with at least one letter or digit."""
    separated = "".join(char if unicodedata.category(char)[0] in "LNM" else " " for char in text)
    for run in separated.split():
        if any(unicodedata.category(char)[0] in "LN" for char in run):
            yield run
