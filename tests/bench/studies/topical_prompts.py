"""Prompts for ten documents of a topic each, some topics asked about more, and names for their blocks.

Hashes stand for blocks, as they do in the engine's events.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from itertools import accumulate
from random import Random

from deployments.core.ids import SegmentKey
from deployments.core.reuse.ordering import Candidate, by_popularity
from deployments.core.reuse.paths import SegmentId, Step, segment_id
from deployments.core.reuse.placing import Placing, ReplicaState, place
from deployments.core.reuse.residency import Residency

BLOCK_TOKENS = 32
HEAD = Step(SegmentId(1), 512)
QUESTION_TOKENS = 40
SALT = "tenant"
DOCUMENTS = 10


class Traffic:
    """Requests for ten documents of a topic each."""

    def __init__(self, seed: int, topics: int = 500, documents: int = 16) -> None:
        self._rng = Random(seed)
        self._topics = [[document(topic * 1000 + n) for n in range(documents)] for topic in range(topics)]
        self._weights = list(accumulate((rank + 1) ** -0.8 for rank in range(topics)))

    def request(self) -> list[Candidate]:
        """By rank; what is relevant to a topic mostly comes first."""
        (topic,) = self._rng.choices(self._topics, cum_weights=self._weights)
        by_relevance = sorted(range(len(topic)), key=lambda n: n * self._rng.random())
        return [topic[n] for n in by_relevance[:DOCUMENTS]]


def document(number: int) -> Candidate:
    """A document by its number."""
    key = SegmentKey(hashlib.sha256(str(number).encode()).hexdigest())
    return Candidate(key, 60 + number * 7919 % 320)


def steps_of(candidates: Sequence[Candidate]) -> list[Step]:
    """A prompt's segments."""
    return [HEAD, *(Step(segment_id(candidate.key), candidate.tokens) for candidate in candidates)]


def hashes_of(steps: Sequence[Step], nonce: int) -> list[int]:
    """A block's hash: of the path in which it ends, and its number."""
    hashes: list[int] = []
    path, end = 0, 0
    for step in [*steps, Step(SegmentId(nonce), QUESTION_TOKENS)]:
        path, end = hash((path, step.segment)), end + step.tokens
        hashes += (hash((path, number)) for number in range(len(hashes), end // BLOCK_TOKENS))
    return hashes


def new_residency(capacity_blocks: int) -> Residency:
    """Of an engine with so many blocks."""
    return Residency("replica", "epoch", BLOCK_TOKENS, capacity_blocks, time.monotonic)


def placed(candidates: Sequence[Candidate], states: Sequence[ReplicaState], rng: Random) -> Placing:
    """The application's decision for a prompt with these documents."""
    prompt_tokens = HEAD.tokens + sum(candidate.tokens for candidate in candidates) + QUESTION_TOKENS
    return place(candidates, HEAD.segment, prompt_tokens, states, order=by_popularity, follow=True, rng=rng)
