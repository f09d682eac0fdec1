"""What a `TokenCachedRAG` works with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from deployments.core.ids import Scope, TenantId
from deployments.core.ledger import Answer
from deployments.core.messages import ChatScaffold, Question
from deployments.core.ports import Generator, PromptWarmer, Retriever, SegmentResolver, TextEncoder
from deployments.rag.path_log import PathLog
from deployments.rag.placer import Placer
from deployments.rag.shared_counts import SharedCounts


@dataclass(frozen=True, slots=True)
class RagParts:
    """Filled in by the wiring.

    `forget_retrievals` drops what this process keeps of a scope's retrievals. `answered` is told of every
    answer. `share_answers` is what a question that does not say gets; `rank_hint` tells the model what is
    most relevant where the order does not. `clock` gives monotonic seconds,
    `wall_clock` Unix seconds.
    """

    retriever: Retriever
    resolver: SegmentResolver
    generator: Generator
    encoder: TextEncoder
    scaffold: ChatScaffold
    counts: SharedCounts
    placer: Placer
    salt_of: Callable[[TenantId], str]
    warmer: PromptWarmer
    forget_retrievals: Callable[[Scope], object] = lambda _scope: None
    paths: PathLog | None = None
    answered: Callable[[Question, Answer], None] = lambda _question, _answer: None
    share_answers: bool = False
    rank_hint: bool = False
    clock: Callable[[], float] = time.perf_counter
    wall_clock: Callable[[], float] = time.time
