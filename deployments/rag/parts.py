"""What a `TokenCachedRAG` works with."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deployments.core.conversations import ConversationDesk
from deployments.core.ids import Scope
from deployments.core.ledger import Answer
from deployments.core.messages import ChatScaffold, Question
from deployments.core.metrics import SILENT, Meter
from deployments.core.ports import Generator, PromptWarmer, Retriever, SegmentResolver, TextEncoder
from deployments.core.salt import Salts
from deployments.rag.path_log import PathLog
from deployments.rag.placer import Placer
from deployments.rag.shared_counts import SharedCounts
from deployments.rag.stopwatch import StageSpan, no_span
from deployments.rag.usage_reports import UsageReports


@dataclass(frozen=True, slots=True)
class RagParts:
    """Filled in by `serve_app.assembly`."""

    retriever: Retriever
    resolver: SegmentResolver
    generator: Generator
    encoder: TextEncoder
    scaffold: ChatScaffold
    counts: SharedCounts
    placer: Placer
    salts: Salts
    warmer: PromptWarmer
    conversations: ConversationDesk | None = None
    """Where conversations are stored; None refuses questions in a conversation."""
    forget_retrievals: Callable[[Scope], object] = lambda _scope: None
    """Drops the retrievals of a scope that this process keeps."""
    paths: PathLog | None = None
    """Where prompts are counted for warm-up; None counts none."""
    answered: Sequence[Callable[[Question, Answer], None]] = ()
    """Each is called with every complete answer."""
    stage_span: StageSpan = no_span
    """Makes the spans of a question's stages."""
    meter: Meter = SILENT
    """Where answers are recorded as metrics."""
    usage: UsageReports | None = None
    """Where tenants' usage is reported; None reports none."""
    share_answers: bool = False
    """Whether a question that leaves it open may get the answer of an equal request."""
    rank_hint: bool = False
    """Whether a prompt names the most relevant documents where their order does not show it."""
    clock: Callable[[], float] = time.monotonic
    """Gives monotonic seconds, comparable with those of other processes on this host."""
