"""Weighs a follow-up question alone against the same question after the earlier ones of its talk.

"and Business?" means nothing alone, while a new topic must not be pulled to the old one. So a question in a
talk is embedded twice, alone and with the earlier questions, and a chunk's similarity is the weighted mean
of both. The weights follow from what the collection and the wording tell about the question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.core.documents import SearchQuery
from deployments.core.words import content_words, words_of
from deployments.knowledge.vectors import Similarities

_LEAST_SHARE = 0.3
"""A question's own words always count: in "and Business?" they choose between the talk's documents."""
_OPENINGS = "also and but no nope ok okay or so sorry then why yeah yep yes"
"""English words that continue a talk if a question begins with them."""
_REFERENCES = (
    "both either else former he her him his instead it its latter one ones other same she such that "
    "their them then there these they this those"
)
"""English words for something that was named before."""
_CONTINUING = frozenset(_OPENINGS.split())
_REFERRING = frozenset(_REFERENCES.split())


@dataclass(frozen=True, slots=True)
class WeighedQuestion:
    """How similar a collection's chunks are to a question in its talk."""

    similarities: Similarities
    text: str
    """The text that decides most of them."""


def searched_texts(query: SearchQuery) -> list[str]:
    """The texts to embed: the question and, if it has a talk, the earlier questions followed by it."""
    return [query.text, " ".join([*query.talk, query.text])] if query.talk else [query.text]


def weigh(texts: Sequence[str], similarities: Sequence[Similarities]) -> WeighedQuestion:
    """Weighs the similarities with each of the `searched_texts`, which come in the same order."""
    alone, in_talk = similarities[0], similarities[-1]
    if len(texts) == 1 or not len(alone.chunks):
        return WeighedQuestion(alone, texts[0])
    share = own_share(texts[0], float(alone.chunks.max()), float(in_talk.chunks.max()))
    return WeighedQuestion(alone.mixed(share, in_talk), texts[0] if share >= 0.5 else texts[-1])


def own_share(question: str, alone: float, in_talk: float) -> float:
    """The weight of a question alone, from 0.3 to 1; the question in its talk has the rest.

    `alone` and `in_talk` are the highest similarities that the collection has with either. A question
    stands alone if the collection answers it about as well without the talk, if it has many words of
    its own, and if none of them points back. `tests.bench.studies.follow_ups` measures these figures.
    """
    ratio = alone / in_talk if in_talk > 0 else 1.0
    standing = 2 * ratio + 0.1 * len(content_words(question)) - 0.6 * points_back(question) - 1.3
    return _LEAST_SHARE + (1 - _LEAST_SHARE) * min(max(standing, 0.0), 1.0)


def points_back(question: str) -> bool:
    """Whether a question's English words continue a talk, or stand for something named before."""
    words = list(words_of(question.casefold()))
    continues = not _CONTINUING.isdisjoint(words[:1]) or words[:2] in (["i", "mean"], ["i", "meant"])
    return continues or not _REFERRING.isdisjoint(words)
