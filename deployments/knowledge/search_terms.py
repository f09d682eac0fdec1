"""Questions to full-text queries. Whatever the text holds, only letters, marks and digits come through."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

from deployments.core.words import COMMON_WORDS, words_of

MAX_TERMS = 64

Term = tuple[str, ...]
"""A word, or the words of a phrase such as ("tw", "4003")."""


def search_terms(question: str) -> tuple[Term, ...]:
    """The words to look for, any of which may match, without the commonest ones.

    What is written without blanks, such as `TW-4003`, is also looked for as a phrase. A question of
    common words only keeps them; one without words has no terms.
    """
    written = [words for part in question.casefold().split() if (words := tuple(words_of(part)))]
    terms = dict.fromkeys(_terms(written))
    uncommon = [term for term in terms if len(term) > 1 or term[0] not in COMMON_WORDS]
    return tuple(uncommon or terms)[:MAX_TERMS]


def has_identifier(question: str) -> bool:
    """Whether it spells an identifier: digits behind letters (`TW-4003`, `0x80070057`) or `an_underscore`.

    Such a word means itself, and an embedding hardly knows it; everyday words mean what they stand for, and
    so do numbers with letters behind them (`1st`, `11pm`, `6-digit`).
    """
    return any(_is_identifier(part) for part in question.split())


def fts5_query(terms: Iterable[Term]) -> str:
    """A MATCH expression of SQLite's FTS5."""
    return " OR ".join(f'"{" ".join(term)}"' for term in terms)


def tsquery(terms: Iterable[Term]) -> str:
    """An argument of PostgreSQL's `to_tsquery`."""
    return " | ".join("(" + " <-> ".join(f"'{word}'" for word in term) + ")" for term in terms)


def indexed_words(text: str) -> str:
    """A text's words, as those of questions, with blanks between them; for PostgreSQL.

    Its own parser would take `TW-4003` for `tw` and a negative number, `config.yaml` for a host.
    """
    return " ".join(words_of(without_marks(text).casefold()))


def without_marks(text: str) -> str:
    """Text without accents, as FTS5 compares it; for PostgreSQL, which has no such option."""
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
