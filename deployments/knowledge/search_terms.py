"""Questions to full-text queries. Whatever the text holds, only letters, marks and digits come through."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

MAX_TERMS = 64

Term = tuple[str, ...]
"""A word, or the words of a phrase such as ("tw", "4003")."""

_COMMON = (
    "a about am an and any are as at be been but by can could did do does for from had has have how i if "
    "in into is it its me my no not of on or our out shall should so some than that the their them then "
    "there these they this those to us was we were what when where which while who why will with would "
    "you your"
)
_STOP_WORDS = frozenset(_COMMON.split())


def search_terms(question: str) -> tuple[Term, ...]:
    """The words to look for, any of which may match, without the commonest ones.

    What is written without blanks, such as `TW-4003`, is also looked for as a phrase. A question of
    common words only keeps them; one without words has no terms.
    """
    written = [words for part in question.casefold().split() if (words := tuple(_words(part)))]
    terms = dict.fromkeys(_terms(written))
    telling = [term for term in terms if len(term) > 1 or term[0] not in _STOP_WORDS]
    return tuple(telling or terms)[:MAX_TERMS]


def fts5_query(terms: Iterable[Term]) -> str:
    """A MATCH expression of SQLite's FTS5."""
    return " OR ".join(f'"{" ".join(term)}"' for term in terms)


def tsquery(terms: Iterable[Term]) -> str:
    """An argument of PostgreSQL's `to_tsquery`."""
    return " | ".join("(" + " <-> ".join(f"'{word}'" for word in term) + ")" for term in terms)


def without_marks(text: str) -> str:
    """Text without accents, as FTS5 compares it; for PostgreSQL, which has no such option."""
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(char for char in decomposed if unicodedata.category(char) != "Mn")


def _terms(written: list[Term]) -> Iterator[Term]:
    for words in written:
        if len(words) > 1:
            yield words
        for word in words:
            yield (word,)


def _words(part: str) -> Iterator[str]:
    """Runs of letters, digits and marks that hold a letter or digit."""
    separated = "".join(char if unicodedata.category(char)[0] in "LNM" else " " for char in part)
    for run in separated.split():
        if any(unicodedata.category(char)[0] in "LN" for char in run):
            yield run
