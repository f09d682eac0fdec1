"""Turns questions into full-text queries, which take only letters, marks and digits from them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

from deployments.core.words import COMMON_WORDS, words_of

MAX_TERMS = 64
"""Further terms of a question are ignored."""

Term = tuple[str, ...]
"""One word, or the words of a phrase such as ("tw", "4003")."""


def search_terms(question: str) -> tuple[Term, ...]:
    """Returns the terms to search for, at most `MAX_TERMS`; a chunk matches if it has any of them.

    Common words are left out, unless the question has no others. Words joined without blanks, such as
    `TW-4003`, are also searched for as a phrase. A question without words has no terms.
    """
    written = [words for part in question.casefold().split() if (words := tuple(words_of(part)))]
    terms = dict.fromkeys(_terms(written))
    uncommon = [term for term in terms if len(term) > 1 or term[0] not in COMMON_WORDS]
    return tuple(uncommon or terms)[:MAX_TERMS]


def has_identifier(question: str) -> bool:
    """Whether a question contains an identifier: digits after letters (`TW-4003`) or `an_underscore`.

    An embedding model hardly knows identifiers, so they have to match literally. Numbers followed by
    letters (`1st`, `11pm`, `6-digit`) are everyday words and don't count; `0x80070057` does.
    """
    return any(_is_identifier(part) for part in question.split())


def fts5_query(terms: Iterable[Term]) -> str:
    """Returns a MATCH expression for SQLite's FTS5."""
    return " OR ".join(f'"{" ".join(term)}"' for term in terms)


def tsquery(terms: Iterable[Term]) -> str:
    """Returns an argument for PostgreSQL's `to_tsquery`."""
    return " | ".join("(" + " <-> ".join(f"'{word}'" for word in term) + ")" for term in terms)


def indexed_words(text: str) -> str:
    """Returns a text's words, split as those of questions are, with blanks between them. For PostgreSQL.

    PostgreSQL's own parser would read `TW-4003` as `tw` and a negative number, `config.yaml` as a host.
    """
    return " ".join(words_of(without_marks(text).casefold()))


def without_marks(text: str) -> str:
    """Removes accents, as FTS5 does itself. For PostgreSQL, whose text search has no such option."""
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(char for char in decomposed if unicodedata.category(char) != "Mn")


def _is_identifier(part: str) -> bool:
    core = part.strip(".,;:!?()[]\"'`")
    after_number = core.lstrip("0123456789.,:-")
    mixed = any(map(str.isdigit, after_number)) and any(map(str.isalpha, after_number))
    return mixed or "_" in core


def _terms(written: list[Term]) -> Iterator[Term]:
    for words in written:
        if len(words) > 1:
            yield words
        for word in words:
            yield (word,)
