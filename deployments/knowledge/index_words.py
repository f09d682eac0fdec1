"""The words under which full text search finds a text. Texts and questions are split alike.

A change of this file changes what is stored: raise `WORDS_VERSION`, and the next start indexes all texts
again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

import snowballstemmer

from deployments.core.words import COMMON_WORDS, folded, words_of

WORDS_VERSION = 1
"""Part of the name of the milestone that a database reaches when all its texts are indexed."""

MAX_JOINED = 5
"""Most words that are joined to one: `a.b.c` is also indexed as `ab`, `bc` and `abc`."""

_MAX_RUN = 32
"""Words of a run whose neighbours are joined: no identifier has more."""

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3031-\u3035\u3040-\u30ff\u3130-\u318f"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, Chinese and Japanese have no blanks between words; Korean appends particles."""
_RUN = re.compile(f"(?P<unspaced>[{_UNSPACED}]+)|[^{_UNSPACED}]+")
_LONG_NUMBER = re.compile(r"[0-9]{4,}")
_CACHED_CHARS = 40
"""Longest part whose words, and longest word whose stem, are kept in memory."""
_PREFIX_LETTERS = 3
"""Longest word that is joined with the number after it: `HB 4711`, `KB 5034441`."""


def index_words(text: str) -> Iterator[str]:
    """Yields the words of a text, some several times.

    They are stems of its words; pairs of characters of scripts without blanks; and, so that each way of
    writing an identifier finds every other one, neighbours joined to one word: `tw4003` for `TW-4003`,
    `TW 4003` and `TW4003`; `10.0.0.1`, whose numbers would mean something else without the points.
    """
    last = ""
    for part in folded(text).split():
        runs, words = _split_short(part) if len(part) <= _CACHED_CHARS else _split(part)
        yield from words
        if runs and (word := prefixed(last, runs[0][0])):
            yield word
        last = runs[-1][-1] if runs else ""


def _split(part: str) -> tuple[Sequence[Sequence[str]], Sequence[str]]:
    """Returns the runs of a part, as `split_part` does, and the words under which it is indexed."""
    runs = tuple(split_part(part))
    words: list[str] = []
    for run in runs:
        words.extend(_words_of_run(run))
        for length in range(2, min(len(run), MAX_JOINED) + 1):
            words.extend(map(_stem, joined(run[:_MAX_RUN], length)))
    return runs, words


_split_short = lru_cache(maxsize=20_000)(_split)
"""Most parts of a text have occurred before: indexing takes a third of the time."""


def split_part(part: str) -> Iterator[Sequence[str]]:
    """Splits a folded text without blanks into runs of neighbouring words.

    Words of a script without blanks are a run of their own each.
    """
    run: list[str] = []
    for word in words_of(part):
        for piece in _RUN.finditer(word):
            if piece["unspaced"] is None:
                run.append(piece[0])
                continue
            if run:
                yield run
            yield [piece[0]]
            run = []
    if run:
        yield run


def joined(run: Sequence[str], length: int) -> Iterator[str]:
    """Yields all `length` successive words of a run as one; a point separates numbers."""
    for start in range(len(run) - length + 1):
        word = run[start]
        for following in run[start + 1 : start + length]:
            between = "." if word[-1].isdigit() and following[0].isdigit() else ""
            word += between + following
        yield word


def prefixed(word: str, number: str) -> str:
    """Returns a short word and the number after it as one, `hb4711`; "" if they are other words."""
    short = word.isalpha() and len(word) <= _PREFIX_LETTERS and word not in COMMON_WORDS
    return word + number if short and len(number) > 1 and number.isdigit() else ""


def search_words(run: Sequence[str]) -> Iterator[str]:
    """Yields the words of a question's run that a matching text should have."""
    (first, *others) = run
    if others or not _is_unspaced(first):
        yield from map(_stem, run)
    elif len(first) == 1:
        yield first
    else:
        yield from map("".join, pairwise(first))


def identifying_words(run: Sequence[str]) -> Iterator[str]:
    """Yields the words that tell whether a text spells a whole run; none in a script without blanks."""
    if not _is_unspaced(run[0]):
        yield from map(_stem, joined(run, min(len(run), MAX_JOINED)))


def _words_of_run(run: Sequence[str]) -> Iterator[str]:
    yield from search_words(run)
    for word in run:
        if _is_unspaced(word):
            yield from word  # for questions of one character
        elif not word.isdigit():
            yield from _LONG_NUMBER.findall(word)  # `5034441` finds `KB5034441`


def _is_unspaced(word: str) -> bool:
    run = _RUN.match(word)
    return run is not None and run["unspaced"] is not None


_english_stem = lru_cache(maxsize=20_000)(snowballstemmer.stemmer("english").stemWord)


def _stem(word: str) -> str:
    """Returns the English stem of a word of ASCII letters, any other word unchanged."""
    is_word = word.isascii() and word.isalpha() and len(word) <= _CACHED_CHARS
    return str(_english_stem(word)) if is_word else word
