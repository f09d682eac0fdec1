"""A `TokenCachedRAG` over fakes, which tests can inspect and make fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from deployments.core.agent_spec import AgentSpec
from deployments.core.cache_figures import CacheUsage, MeasuredUsage
from deployments.core.conversations import segment_digest
from deployments.core.documents import Passage
from deployments.core.ids import CollectionName, RequestId, Scope, TenantId
from deployments.core.ledger import Answer
from deployments.core.messages import Delta, Question, SegmentSource
from deployments.core.reuse.ordering import Order, Sorting, by_rank
from deployments.core.sampling import Sampling
from deployments.core.token_ids import to_bytes, token_ids
from deployments.rag.engine_views import EngineViews
from deployments.rag.parts import RagParts
from deployments.rag.placer import Placer
from deployments.rag.shared_counts import SharedCounts
from deployments.rag.token_cached_rag import TokenCachedRAG
from tests.fake_conversations import FakeConversations
from tests.fakes import (
    SCAFFOLD,
    FakeClock,
    FakeCounterStore,
    FakeEncoder,
    FakeGenerator,
    FakeResidencySource,
    FakeResolver,
    FakeRetriever,
    FakeSalts,
    FakeWarmer,
)

SCOPE = Scope(TenantId("acme"), CollectionName("support_kb"))
SPEC = AgentSpec(
    name="support",
    deployment="Support",
    collection=SCOPE.collection,
    ttl_s=3600,
    max_context_tokens=4096,
    temperature=0.7,
    max_tokens=50,
    preamble="Answer from the articles.",
    no_context="I don't know.",
)
HEAD = SCAFFOLD.head + SPEC.preamble


def delta(text: str, **times: float | int | str | None) -> Delta:
    """A delta whose ids are its characters."""
    return Delta(text, to_bytes(token_ids(map(ord, text))), **times)  # type: ignore[arg-type]


ANSWER = (
    delta("Press ", kv_cached_tokens=32, queue_ms=0.5, prefill_ms=20.0),
    delta("Reset."),
    delta("", finish_reason="stop", decode_ms=100.0),
)


def question(text: str = "How do I reset it?", **changes: object) -> Question:
    """A question of the tenant acme."""
    complete: dict[str, object] = {
        "scope": SCOPE,
        "text": text,
        "top_k": 5,
        "sampling": Sampling(SPEC.max_tokens, 0.0),
        "request_id": RequestId("req-1"),
        "deadline_s": 30.0,
    }
    return Question(**(complete | changes))  # type: ignore[arg-type]


class FixedMeter:
    """A `UsageMeter` that has just measured the same for each scope."""

    async def known(self, _: Scope) -> MeasuredUsage:
        return MeasuredUsage(CacheUsage(entries=1, tokens=200, value_bytes=2**20), 0.0)

    fresh = known


class Rig:
    """The service as `rag`, and the fakes around it."""

    def __init__(
        self,
        passages: Sequence[Passage] = (),
        sources: Sequence[SegmentSource] = (SegmentSource.L1,),
        *,
        deltas: Sequence[Delta] = ANSWER,
        sorting: Sorting = by_rank,
        max_model_len: int = 8192,
        spec: AgentSpec = SPEC,
        answered: Sequence[Callable[[Question, Answer], None]] = (),
    ) -> None:
        self.clock = FakeClock()
        self.encoder = FakeEncoder()
        self.retriever = FakeRetriever(passages, self.clock, takes_s=0.25)
        self.resolver = FakeResolver(self.encoder, *sources)
        self.replicas = FakeResidencySource()
        self.generator = FakeGenerator(*deltas, max_model_len=max_model_len)
        self.store = FakeCounterStore()
        self.counts = SharedCounts(self.store, FixedMeter(), self.clock)
        self.forgotten: list[Scope] = []
        self.warmer = FakeWarmer()
        self.salts = FakeSalts()
        self.conversations = FakeConversations()
        self.conversations.segments = {segment_digest(one.segment): one.segment for one in passages}
        self.spec = spec
        self.parts = RagParts(
            retriever=self.retriever,
            resolver=self.resolver,
            generator=self.generator,
            encoder=self.encoder,
            scaffold=SCAFFOLD,
            counts=self.counts,
            placer=Placer(Order("named", sorting), EngineViews(self.replicas, self.clock)),
            salts=self.salts,
            warmer=self.warmer,
            conversations=self.conversations,
            forget_retrievals=self.forgotten.append,
            answered=answered,
            clock=self.clock,
        )
        self.rag = TokenCachedRAG(spec, self.parts)

    def use(self, **parts: object) -> None:
        """Makes the service again, with other parts."""
        self.parts = replace(self.parts, **parts)  # type: ignore[arg-type]
        self.rag = TokenCachedRAG(self.spec, self.parts)

    async def answer(self, asked: Question | None = None) -> Answer:
        """The complete answer."""
        return await self.rag.generate_with_rag(asked or question())

    def prompt_sent(self) -> str:
        """The text of the only prompt that the engine was given."""
        (request,) = self.generator.requests
        ids = token_ids()
        ids.frombytes(request.prompt)
        return self.encoder.decode(ids)
