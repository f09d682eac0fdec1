"""What a `TokenCachedRAG` works with."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from deployments.core.ids import Scope, TenantId
from deployments.core.ledger import Answer
from deployments.core.messages import ChatScaffold, Question
from deployments.core.ports import Generator, Retriever, SegmentResolver, TextEncoder
from deployments.core.reuse.ordering import OrderPolicy
from deployments.rag.shared_counts import SharedCounts


@dataclass(frozen=True, slots=True)
class RagParts:
    """Filled in by the wiring.

    `clear_segments` deletes a scope's cached segments and returns their count. `answered` is told of every
    answer. `clock` gives monotonic seconds, `wall_clock` Unix seconds.
    """

    retriever: Retriever
    resolver: SegmentResolver
    generator: Generator
    encoder: TextEncoder
    scaffold: ChatScaffold
    counts: SharedCounts
    order_name: str
    order: OrderPolicy
    salt_of: Callable[[TenantId], str]
    clear_segments: Callable[[Scope], Awaitable[int]]
    answered: Callable[[Question, Answer], None] = lambda _question, _answer: None
    clock: Callable[[], float] = time.perf_counter
    wall_clock: Callable[[], float] = time.time
