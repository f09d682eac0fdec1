"""Replays a trace through one modelled cache in a reference order, without time or load."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deployments.core.reuse.block_cache import CacheEffect
from deployments.core.reuse.eviction import EvictionOrder
from deployments.core.reuse.ordering import BestAt
from tests.bench.workload.evictions import EVICTIONS, PolicyCache, clairvoyant
from tests.bench.workload.orders import RESTS, Earlier, longest_resident
from tests.bench.workload.prompts import Layout, Prompt, Prompts
from tests.bench.workload.recurring import Recurring
from tests.bench.workload.trace import Ask, Trace


@dataclass(frozen=True, slots=True)
class Reuse:
    """The figures of a replay."""

    document_tokens: int
    """In all prompts."""
    found_tokens: int
    """Document tokens found in the cache."""
    prefilled_tokens: int
    """Tokens of any kind that were prefilled."""

    @property
    def share(self) -> float:
        """Share of document tokens that were found."""
        return self.found_tokens / self.document_tokens


def through_one_cache(
    trace: Trace,
    rest: str,
    *,
    trie: bool,
    capacity_tokens: int | None = None,
    layout: Layout | None = None,
    ahead: bool = False,
    best: BestAt | None = None,
    eviction: Callable[[int | None], EvictionOrder] = EVICTIONS["lru"],
) -> Reuse:
    """Replays the whole trace. `rest` names the order of documents.

    With `trie` the longest cached path comes first, and `rest` orders only the other documents. With `ahead`,
    after each request the documents that it shares with its most similar earlier request are prefilled as a
    prompt of their own: they have recurred and may recur again. With `best` the document ranked first is put
    before (`first`) or after (`last`) all others, which are ordered as above.
    """
    cache = _OneCache(trace, rest, trie, capacity_tokens, layout or Layout(), eviction, best=best)
    for number, ask in enumerate(trace.asks):
        cache.serve(ask, number)
        if ahead:
            cache.prefill_ahead(ask.passages, number)
    return Reuse(cache.document_tokens, cache.found_tokens, cache.prefilled_tokens)


def with_foresight(trace: Trace, rest: str, capacity_tokens: int, layout: Layout) -> float:
    """Share of document tokens found by a cache that knows the requests to come.

    The order of documents is the one that `through_one_cache` gives them in a cache that evicts as the
    application's.
    """
    ordering = _OneCache(trace, rest, True, capacity_tokens, layout, EVICTIONS["documents"])
    for number, ask in enumerate(trace.asks):
        ordering.serve(ask, number)
    blocks = capacity_tokens // layout.block_tokens
    cache = PolicyCache(blocks, clairvoyant(prompt.chain for prompt in ordering.served))
    found = [
        ordering.prompts.hit_tokens(
            prompt, cache.admit(prompt.chain, prompt.reusable, prompt.partial).hit_blocks
        )
        for prompt in ordering.served
    ]
    return sum(found) / ordering.document_tokens


class _OneCache:
    def __init__(
        self,
        trace: Trace,
        rest: str,
        trie: bool,
        capacity_tokens: int | None,
        layout: Layout,
        eviction: Callable[[int | None], EvictionOrder],
        *,
        best: BestAt | None = None,
    ) -> None:
        self.prompts, self._earlier = Prompts(trace.tokens, layout), Earlier()
        self.served: list[Prompt] = []
        self._recurring = Recurring(trace.tokens)
        self._size = layout.block_tokens
        blocks = None if capacity_tokens is None else capacity_tokens // self._size
        self._cache = PolicyCache(blocks, eviction)
        self._rest, self._trie, self._best = RESTS[rest], trie, best
        self.document_tokens = self.found_tokens = self.prefilled_tokens = 0

    def serve(self, ask: Ask, nonce: int) -> None:
        prompt, done = self._admit(self._ordered(ask.passages, ask.preamble), nonce, ask.preamble)
        self.served.append(prompt)
        self._earlier.add(ask.passages)
        self.document_tokens += prompt.document_tokens
        self.found_tokens += self.prompts.hit_tokens(prompt, done.hit_blocks)

    def prefill_ahead(self, passages: tuple[int, ...], nonce: int) -> None:
        shared = self._recurring.add(passages)
        if 1 < len(shared) < len(passages):
            self._admit(self._ordered(shared), nonce)

    def _ordered(self, passages: tuple[int, ...], preamble: int = 0) -> list[int]:
        fixed = passages[: int(self._best is not None)]
        first, last = (fixed, ()) if self._best == "first" else ((), fixed)
        moved = passages[len(fixed) :]
        placed = tuple[int, ...]()
        if self._trie:
            placed = longest_resident(self.prompts, self._cache, moved, first, preamble)
        others = [passage for passage in moved if passage not in placed]
        return [*first, *placed, *self._rest((*first, *placed), others, self._earlier), *last]

    def _admit(self, documents: list[int], nonce: int, preamble: int = 0) -> tuple[Prompt, CacheEffect]:
        prompt = self.prompts.prompt(documents, nonce, preamble)
        done = self._cache.admit(prompt.chain, prompt.reusable, prompt.partial, prompt.documents)
        self.prefilled_tokens += prompt.prompt_tokens - done.hit_blocks * self._size
        return prompt, done
