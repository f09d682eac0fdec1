"""Where to cut very long words, before a splitter that takes quadratic time for them."""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_WORD_CHARS = 1000
"""A longer run of characters without white space is cut."""
_LONG_WORD = re.compile(rf"(?<!\S)\S{{{MAX_WORD_CHARS + 1},}}")
_STOPS = re.compile(r"[。！？；：，、…．]")  # noqa: RUF001
"""Chinese and Japanese have no blanks between words, but punctuation."""


def hard_breaks(text: str) -> Iterator[int]:
    """Yields the offsets at which to cut a text so that no word is longer than MAX_WORD_CHARS.

    Cuts after the last stop in the second half of each MAX_WORD_CHARS, else at their end.
    """
    for word in _LONG_WORD.finditer(text):
        start, end = word.span()
        while end - start > MAX_WORD_CHARS:
            limit = start + MAX_WORD_CHARS
            stops = _STOPS.finditer(text, limit - MAX_WORD_CHARS // 2, limit)
            start = max((stop.end() for stop in stops), default=limit)
            yield start
