"""The part of a text that matches a question best."""

from __future__ import annotations

import re
from collections.abc import Collection

from deployments.knowledge.index_words import index_words

_CHARS = 220
"""Longest snippet, without the marks of what is left out."""
_PIECE = re.compile(r"\S{1,24}")
"""Words, and parts of texts without blanks."""


def snippet(text: str, words: Collection[str]) -> str:
    """Returns the part of a text that has the most of `words`, which are as `index_words` yields them.

    Of equal parts the first; white space becomes single blanks; `…` stands for what is left out.
    """
    pieces = [(piece.start(), piece.end()) for piece in _PIECE.finditer(text)]
    if not pieces:
        return ""
    wanted = frozenset(words)
    hits = [wanted.intersection(index_words(text[start:end])) for start, end in pieces]
    first, last = _best_window(pieces, hits)
    start, end = pieces[first][0], pieces[last][1]
    cut = " ".join(text[start:end].split())
    return f"{'…' if first else ''}{cut}{'…' if last + 1 < len(pieces) else ''}"


def _best_window(pieces: list[tuple[int, int]], hits: list[frozenset[str]]) -> tuple[int, int]:
    """Returns the first and last piece of the window with the most different words."""
    best, chosen = -1, (0, 0)
    for hit in [i for i, words in enumerate(hits) if words] or [0]:
        first = _some_before(pieces, hit)
        last = first
        while last + 1 < len(pieces) and pieces[last + 1][1] - pieces[first][0] <= _CHARS:
            last += 1
        count = len(frozenset().union(*hits[first : last + 1]))
        if count > best:
            best, chosen = count, (first, last)
    return chosen


def _some_before(pieces: list[tuple[int, int]], hit: int) -> int:
    """Returns an earlier piece, so that a word is not at the start of a snippet, out of its sentence."""
    earlier = hit
    while earlier and pieces[hit][0] - pieces[earlier - 1][0] <= _CHARS // 4:
        earlier -= 1
    return earlier
