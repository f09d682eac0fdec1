"""Ranks chunks by the terms of a question that they have, the same on every database."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deployments.knowledge.fulltext import ChunkIds, Found, Place
from deployments.knowledge.search_terms import Term

_WEIGHTS = {Place.ANYWHERE: 1.0, Place.HEADING: 1.0, Place.TITLE: 3.0}
"""They add up: a word in a title counts four times as much as one in a body."""
_RARE_SHARE = 0.02
"""A word is rare if at most this share of the chunks has it, or only one chunk."""
_MOST_RARE = 1000
"""A word that more chunks have is not rare, in a collection of any size."""
_TELLING = 200
"""An identifier that more chunks have, a year for example, counts as a word, unless it is still rare."""


@dataclass(frozen=True, slots=True)
class TextRanking:
    """Chunks that have terms of a question."""

    chunk_ids: list[int]
    """Those that match most of the question exactly first, then by score, then by id."""
    exact_matches: dict[int, int]
    """For chunks that have what the question asks for word by word: how many of its identifiers, or 1 if the
    question has no identifiers and they have all its rare words."""


def exact_limit(chunks: int) -> int:
    """Returns how many of so many chunks can match exactly: more are not worth to be read."""
    return max(_TELLING, _rare_limit(chunks))


def rank(terms: Sequence[Term], found: Found, chunks: int | None = None) -> TextRanking:
    """Ranks the chunks that were found for a question's terms.

    A chunk's score is the sum of its terms' weights: a term that few of the `chunks` have weighs more, and
    one in a title more than one in a heading or body. `chunks` is the size of the collection, if the caller
    knows it, else those that were found stand for it. Of words that more than `exact_limit` chunks have,
    `found` may be incomplete.
    """
    ids = np.unique(np.concatenate(list(found.values()))) if found else np.empty(0, np.int64)
    chunks = len(ids) if chunks is None else chunks
    scores, identifiers, rare = (np.zeros(len(ids)) for _ in range(3))
    identifier_terms, rare_terms = 0, 0
    for term in terms:
        weights = _weights(ids, term.word, found)
        count = int(np.count_nonzero(weights))
        scores += weights * _rarity(count, chunks)
        if term.is_identifier and count <= exact_limit(chunks):
            identifiers += weights > 0
            identifier_terms += 1
        if count <= _rare_limit(chunks):
            rare += weights > 0
            rare_terms += 1
    exact = identifiers if identifier_terms else 1.0 * (rare == max(rare_terms, 1))
    # Sums of equal numbers in different order differ in the last digits, hence the rounding.
    order = np.lexsort((ids, -scores.round(9), -exact))
    return TextRanking(ids[order].tolist(), {int(ids[i]): int(exact[i]) for i in np.flatnonzero(exact)})


def _weights(ids: ChunkIds, word: str, found: Found) -> npt.NDArray[np.float64]:
    """Returns for each chunk the weight of the places where it has a word, 0 if it has it nowhere."""
    weights = np.zeros(len(ids))
    for place, weight in _WEIGHTS.items():
        if (word, place) in found:
            weights[np.searchsorted(ids, found[word, place])] += weight
    return weights


def _rare_limit(chunks: int) -> int:
    """Returns how many of so many chunks may have a word that is rare among them."""
    return min(_MOST_RARE, max(1, int(_RARE_SHARE * chunks)))


def _rarity(having: int, chunks: int) -> float:
    """Returns BM25's inverse document frequency."""
    return math.log1p((max(chunks - having, 0) + 0.5) / (having + 0.5))
