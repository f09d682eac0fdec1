"""What a question searches for in full text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deployments.core.words import COMMON_WORDS, folded, visible
from deployments.knowledge.index_words import identifying_words, prefixed, search_words, split_part

MAX_TERMS = 64
"""Further terms of a question are ignored."""

_ASKING = frozenset(["get", "got", "hello", "help", "hi", "know", "mean", "means", "need", "please", "want"])
"""Words of questions, not of what is asked about."""
_MAX_IDENTIFIER = 200
"""Characters of the longest identifier. It bounds the time that `_IDENTIFIER` takes."""
_LONG_WORD = 16
"""Letters from which a word is an identifier: `nullpointerexception`, `Rechnungsadressänderung`."""
_EDGES = ".,;:!?()[]{}<>\"'`*…"
_BREAKS = tuple(re.compile(rf"""[{chars},;:=()\[\]{{}}<>"'`|]+""") for chars in ("", r"/\\", r"./\\"))
"""What can stand between identifiers: `error=E-08,E-09`; also slashes, `https://host.example/E-08`; also
points, `java.lang.NullPointerException`."""
_IDENTIFIER = re.compile(
    r"""
      \#\d{2,} | \d{4,}                         # ticket numbers, long numbers
    | v?\d+(\.\d+){2,}                          # versions, addresses
    | [\w-]{2,}(\.[\w-]+)*\.[a-z][a-z0-9]{1,5}  # file names, host names
    | (\w:)?[/\\][\w.-]+([/\\][\w.-]*)+        # paths
    | --?\w+(-\w+)+                           # options
    | \w+(::\w+)+                               # names in C++, Rust, Ruby
    """,
    re.VERBOSE | re.IGNORECASE,
)
_HUMP = re.compile(r"[a-z][A-Z]")


@dataclass(frozen=True, slots=True)
class Term:
    """A word to search for, as `index_words` yields it."""

    word: str
    is_identifier: bool
    """Whether a passage with this word spells an identifier of the question."""


def search_terms(question: str) -> tuple[Term, ...]:
    """Returns the terms to search for, identifiers first, at most `MAX_TERMS`.

    Common words are left out, unless the question has no others. A question without words has no terms.
    """
    identifiers = dict.fromkeys(_identifiers(question))
    words = dict.fromkeys(_words(question, frozenset()))
    uncommon = dict.fromkeys(_words(question, COMMON_WORDS | _ASKING))
    others = (uncommon or ({} if identifiers else words)).keys() - identifiers.keys()
    terms = [Term(word, True) for word in identifiers]
    return tuple(terms + [Term(word, False) for word in words if word in others])[:MAX_TERMS]


def _words(question: str, without: frozenset[str]) -> Iterator[str]:
    for part in folded(question).split():
        for run in split_part(part):
            if left := [word for word in run if word not in without]:
                yield from search_words(left)


def _identifiers(question: str) -> Iterator[str]:
    """Yields the words of identifiers: `TW-4003`, `config.yaml`, `--force-with-lease`, `HB 4711`.

    An embedding model hardly knows identifiers, so they have to match literally.
    """
    last = ""
    for part in visible(question).split():
        for piece in {part: None} | {piece: None for breaks in _BREAKS for piece in breaks.split(part)}:
            if _is_identifier(piece):
                for run in split_part(folded(piece)):
                    yield from identifying_words(run)
        runs = list(split_part(folded(part)))
        if runs and (word := prefixed(last, runs[0][0])):
            yield word
        last = runs[-1][-1] if runs else ""


def _is_identifier(piece: str) -> bool:
    """Whether a part of a question is an identifier.

    Numbers followed by letters (`1st`, `11pm`, `6-digit`) are everyday words; `0x80070057` is not.
    """
    core = piece.strip(_EDGES)
    if len(core) > _MAX_IDENTIFIER:
        return False
    after_number = core.lstrip("0123456789.,:-")
    mixed = any(map(str.isdigit, after_number)) and any(map(str.isalpha, after_number))
    inner_underscore = "_" in core.strip("_")
    one_word = len(_HUMP.findall(core)) > 1 or (core.isalpha() and len(core) >= _LONG_WORD)
    return mixed or inner_underscore or one_word or bool(_IDENTIFIER.fullmatch(core))
