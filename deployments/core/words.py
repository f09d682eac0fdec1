"""Words of a text, for full text search and for statistics."""

from __future__ import annotations

import re
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

_OPTIONAL_MARKS = re.compile("[\u0300-\u036f\u0591-\u05c7\u0640\u064b-\u065f\u0670]")
"""Accents of Latin, Greek and Cyrillic letters; points of Hebrew; vowel signs and tatweel of Arabic.

Marks of other scripts stay: without its vowel signs, a Thai or Hindi word is another word.
"""


def visible(text: str) -> str:
    """A text in Unicode's NFKC form without invisible characters such as soft hyphens and zero-width spaces.

    NFKC makes full-width letters and digits, ligatures and circled numbers plain ones.
    """
    if text.isascii():
        return text
    shown = "".join(char for char in text if unicodedata.category(char) != "Cf")
    return unicodedata.normalize("NFKC", shown)


def folded(text: str) -> str:
    """A text in the form in which words are compared: `visible`, without case and optional marks."""
    if text.isascii():
        return text.casefold()
    decomposed = unicodedata.normalize("NFKD", visible(text).casefold())
    return unicodedata.normalize("NFC", _OPTIONAL_MARKS.sub("", decomposed))


def content_words(text: str) -> list[str]:
    """The words of a text in lower case, without `COMMON_WORDS`."""
    return [word for word in words_of(text.casefold()) if word not in COMMON_WORDS]


def words_of(text: str) -> Iterator[str]:
    """The words of a text: runs of letters, digits and marks with at least one letter or digit."""
    separated = "".join(char if unicodedata.category(char)[0] in "LNM" else " " for char in text)
    for run in separated.split():
        if any(unicodedata.category(char)[0] in "LN" for char in run):
            yield run
