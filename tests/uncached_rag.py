"""The question path without any cache: what every prompt is compared with."""

from __future__ import annotations

import time
from collections.abc import Callable

from deployments.core.agent_spec import AgentSpec
from deployments.core.cache_figures import MeasuredUsage
from deployments.core.documents import Retrieval, SearchQuery
from deployments.core.ids import Scope
from deployments.core.messages import ChatScaffold
from deployments.core.ports import TextEncoder
from deployments.core.reuse.ordering import ORDERS
from deployments.rag.engine_views import EngineViews
from deployments.rag.parts import RagParts
from deployments.rag.placer import Placer
from deployments.rag.shared_counts import SharedCounts
from deployments.rag.token_cached_rag import TokenCachedRAG
from deployments.token_cache.resolver import UncachedResolver
from tests.fakes import FakeCounterStore, FakeGenerator, FakeResidencySource, FakeSalts, FakeWarmer


def uncached_rag(
    spec: AgentSpec,
    encoder: TextEncoder,
    scaffold: ChatScaffold,
    clock: Callable[[], float] = time.monotonic,
) -> TokenCachedRAG:
    """Makes prompts of the passages that a question brings, in their order."""
    return TokenCachedRAG(
        spec,
        RagParts(
            retriever=_NoRetriever(),
            resolver=UncachedResolver(encoder),
            generator=FakeGenerator(),
            encoder=encoder,
            scaffold=scaffold,
            counts=SharedCounts(FakeCounterStore(), NoMeter(), clock, counts_uses=False),
            placer=Placer(ORDERS["rank"], EngineViews(FakeResidencySource(), clock)),
            salts=FakeSalts(),
            warmer=FakeWarmer(),
            clock=clock,
        ),
    )


class NoMeter:
    """A `UsageMeter` that measures nothing."""

    async def known(self, _: Scope) -> MeasuredUsage | None:
        return None

    fresh = known


class _NoRetriever:
    async def search(self, query: SearchQuery) -> Retrieval:
        raise AssertionError("the question brings its passages")
