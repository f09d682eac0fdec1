"""Joins words that typesetting divided at the ends of lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "\u00ad": None}
)
"""Replaces ligatures by their letters; drops soft hyphens, which show only at a line's end."""
_ALWAYS_HYPHENATED = frozenset({"self"})
_HYPHENS = "-\u2010"
_DIVIDED = re.compile(rf"(\S*\w)[{_HYPHENS}]$")
_MAX_WORD = 100
"""Characters before a line's end that are looked at."""
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_FIRST = re.compile(r"[^\W\d_]+")


def words_of(lines: Iterable[str]) -> frozenset[str]:
    """The words of a document in lower case, also those with hyphens; without what lines divide."""
    return frozenset(word.lower() for line in lines for word in _WORD.findall(line))


def joined(lines: Sequence[str], words: frozenset[str]) -> str:
    """Lines of one paragraph as a text, whose line ends divide no word.

    A hyphen at a line's end is dropped between lower-case letters, unless `words` show that the word has
    it. It is kept between others: a part number or a name.
    """
    parts: list[str] = []
    for line in lines:
        if parts and (divided := _DIVIDED.search(parts[-1][-_MAX_WORD:])):
            parts[-1] = parts[-1] if _has_hyphen(divided[1], line, words) else parts[-1][:-1]
        elif parts and parts[-1].endswith("\u00ad"):
            parts[-1] = parts[-1][:-1]
        elif parts:
            parts.append("\n")
        parts.append(line)
    return "".join(parts).translate(LIGATURES)


def _has_hyphen(left: str, line: str, words: frozenset[str]) -> bool:
    right = _FIRST.match(line)
    start = _FIRST.search(left[::-1])  # the letters before the hyphen, reversed
    if right is None or start is None or start.start() or not right[0][0].islower():
        return True
    if not left[-1].islower() or "/" in left or left.startswith("-"):
        return True
    before, after = start[0][::-1].lower(), right[0].lower()
    if before in _ALWAYS_HYPHENATED:
        return True
    return f"{before}-{after}" in words and before + after not in words
