"""Where sentences end, and where to cut a text that has none, in linear time."""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_SENTENCE_CHARS = 1000
"""A longer one is cut between words, or within a word: some tokenizers take quadratic time for words."""
_END = re.compile(
    r"""(?<=[\w)\]`'"%*]{2})[.!?…]['"”’)\]*_`]{0,5}\s++(?![a-z])"""  # noqa: RUF001
    r"|[。！？]['”’」』)]{0,5}\s*+"  # noqa: RUF001
)
_NUMBER_CHARS = 5
"""A stop in the first characters of a block belongs to the number of a list item."""
_BREAKS = (re.compile(r"\n"), re.compile(r"[,;:，；：、…．]\s*"), re.compile(r"\s"))  # noqa: RUF001
"""Where to cut within a sentence: the best first."""


def sentence_starts(text: str, start: int, end: int) -> Iterator[int]:
    """Yields where sentences of text[start:end] start, except the first one.

    Cuts what is longer than MAX_SENTENCE_CHARS.
    """
    last = start
    for match in _END.finditer(text, start + _NUMBER_CHARS, end):
        if match.end() < end:
            yield from _long_cuts(text, last, match.end())
            yield match.end()
            last = match.end()
    yield from _long_cuts(text, last, end)


def line_starts(text: str, start: int, end: int) -> Iterator[int]:
    """Yields where lines of text[start:end] start, except the first one; cuts long ones as sentences."""
    last = start
    while (following := text.find("\n", last, end) + 1) and following < end:
        yield from _long_cuts(text, last, following)
        yield following
        last = following
    yield from _long_cuts(text, last, end)


def last_sentence(paragraph: str) -> str:
    """The last sentence of a paragraph."""
    return paragraph[max(sentence_starts(paragraph, 0, len(paragraph)), default=0) :].strip()


def middle(text: str, start: int, end: int) -> int:
    """Returns where to cut text[start:end], of two or more characters, near its middle."""
    quarter = (end - start) // 4
    return _best_break(text, start + quarter, min(end - quarter, end - 1), (start + end) // 2)


def _long_cuts(text: str, start: int, end: int) -> Iterator[int]:
    while end - start > MAX_SENTENCE_CHARS:
        limit = start + MAX_SENTENCE_CHARS
        start = _best_break(text, limit - MAX_SENTENCE_CHARS // 2, limit, limit)
        yield start


def _best_break(text: str, first: int, last: int, wanted: int) -> int:
    """The best place in first < place <= last, the nearest to `wanted` of the best kind."""
    for pattern in _BREAKS:
        places = (match.end() for match in pattern.finditer(text, first, last))
        nearest = min(places, key=lambda place: abs(place - wanted), default=None)
        if nearest is not None:
            return nearest
    return wanted
