"""Articles, questions about them, and an embedder for `hit_rates`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, count
from random import Random

import numpy as np

from deployments.core.documents import DocumentDraft, Passage
from deployments.core.ids import DocId, Fingerprint
from deployments.database.vectors import Embedder, Matrix, Vector
from tests.bench.workload.generator import FROZEN
from tests.bench.workload.texts import OPENINGS, Texts

EXPONENT = 1.25
FLAT_PART = 1 / 60
"""The passage of rank r is asked about in proportion to (r + FLAT_PART * passages) ** -EXPONENT.

With 3,000 passages the first 1 / 3 / 10 / 20 % get 17.2 / 35.2 / 59.9 / 73.6 % of the questions; in the
published week they get 17.8 / 34 / 58.6 / 74.4 % of the accesses.
"""
WORDS = 6
"""Words of a passage in a question about it."""


def articles(seed: int) -> Iterator[DocumentDraft]:
    """Endless articles made of sentences of the samples, as long as the generator's passages."""
    texts, rng = Texts(), Random(f"lengths {seed}")
    longest = 2 * FROZEN.mean_passage_tokens - 20
    for number in count():
        wide = rng.gauss(FROZEN.mean_passage_tokens, FROZEN.spread_passage_tokens)
        article = texts.passage(number, round(min(max(wide, 20), longest)))
        name = DocId(f"article-{number}")
        yield DocumentDraft(name, article.title, None, "text/markdown", article.body.encode())


def questions(of: Sequence[Passage], rng: Random) -> Iterator[tuple[Passage, str]]:
    """Endless questions, each with the passage that it is about."""
    flat = FLAT_PART * len(of)
    cumulative = list(accumulate((rank + 1 + flat) ** -EXPONENT for rank in range(len(of))))
    by_rank = rng.sample(of, len(of))
    while True:
        (target,) = rng.choices(by_rank, cum_weights=cumulative)
        about, _, _ = target.title.rpartition(", part ")
        words = sorted({word.strip(".,:;()*`").lower() for word in target.body.split()} - {""})
        long = [word for word in words if len(word) > 4] or words
        named = " ".join(rng.sample(long, min(WORDS, len(long))))
        yield target, f"{rng.choice(OPENINGS)} {about.lower()}: {named}?"


@dataclass(frozen=True)
class RememberingEmbedder:
    """An embedder that remembers the vectors of another."""

    real: Embedder
    documents: dict[str, Vector] = field(default_factory=dict)
    queries: dict[str, Vector] = field(default_factory=dict)

    @property
    def fingerprint(self) -> Fingerprint:
        """The other embedder's fingerprint."""
        return self.real.fingerprint

    @property
    def dimensions(self) -> int:
        """The other embedder's dimensions."""
        return self.real.dimensions

    async def embed_query(self, text: str) -> Vector:
        """Embeds a query once."""
        if text not in self.queries:
            self.queries[text] = await self.real.embed_query(text)
        return self.queries[text]

    async def embed_queries(self, texts: Sequence[str]) -> Matrix:
        """Embeds queries without remembering them."""
        return await self.real.embed_queries(texts)

    async def embed_wordings(self, texts: Sequence[str]) -> Matrix:
        """Embeds wordings without remembering them."""
        return await self.real.embed_wordings(texts)

    async def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Embeds only texts that are new."""
        new = [text for text in dict.fromkeys(texts) if text not in self.documents]
        self.documents.update(zip(new, await self.real.embed_documents(new), strict=True))
        return np.array([self.documents[text] for text in texts], np.float32).reshape(len(texts), -1)
