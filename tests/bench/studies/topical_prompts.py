"""Prompts with ten documents of one topic each. Some topics are asked about more often than others.

Blocks are hashes, as in the engine's events.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from itertools import accumulate
from random import Random

from deployments.core.ids import SegmentKey
from deployments.core.reuse.ordering import Candidate, Order, by_popularity
from deployments.core.reuse.paths import SegmentId, Step, segment_id
from deployments.core.reuse.placing import Placing, ReplicaState, place
from deployments.core.reuse.residency import Residency

BLOCK_TOKENS = 32
HEAD = Step(SegmentId(1), 512)
QUESTION_TOKENS = 40
SALT = "tenant"
DOCUMENTS = 10
ORDER = Order("trie", by_popularity, follow_resident=True)


class Traffic:
    """Random requests for ten documents of one topic each."""

    def __init__(self, seed: int, topics: int = 500, documents: int = 16) -> None:
        self._rng = Random(seed)
        self._topics = [[document(topic * 1000 + n) for n in range(documents)] for topic in range(topics)]
        self._weights = list(accumulate((rank + 1) ** -0.8 for rank in range(topics)))

    def request(self) -> list[Candidate]:
        """The documents of a request, by rank. Those most relevant to the topic mostly come first."""
        (topic,) = self._rng.choices(self._topics, cum_weights=self._weights)
        by_relevance = sorted(range(len(topic)), key=lambda n: n * self._rng.random())
        return [topic[n] for n in by_relevance[:DOCUMENTS]]


def document(number: int) -> Candidate:
    """The document of a number."""
    key = SegmentKey(hashlib.sha256(str(number).encode()).hexdigest())
    return Candidate(key, 60 + number * 7919 % 320)


def steps_of(candidates: Sequence[Candidate]) -> list[Step]:
    """The segments of a prompt: the preamble, then the documents."""
    return [HEAD, *(Step(segment_id(candidate.key), candidate.tokens) for candidate in candidates)]


def hashes_of(steps: Sequence[Step], nonce: int) -> list[int]:
    """The hashes of a prompt's blocks: of the path in which a block ends, and the block's number."""
    hashes: list[int] = []
    path, end = 0, 0
    for step in [*steps, Step(SegmentId(nonce), QUESTION_TOKENS)]:
        path, end = hash((path, step.segment)), end + step.tokens
        hashes += (hash((path, number)) for number in range(len(hashes), end // BLOCK_TOKENS))
    return hashes


def new_residency(capacity_blocks: int) -> Residency:
    """The empty residency of an engine with so many blocks."""
    return Residency("replica", "epoch", BLOCK_TOKENS, capacity_blocks, time.monotonic)


def placed(candidates: Sequence[Candidate], states: Sequence[ReplicaState], rng: Random) -> Placing:
    """The order and replicas that the application chooses for these documents."""
    prompt_tokens = HEAD.tokens + sum(candidate.tokens for candidate in candidates) + QUESTION_TOKENS
    return place(candidates, HEAD.segment, prompt_tokens, states, order=ORDER, rng=rng)
