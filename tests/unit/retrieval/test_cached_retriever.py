"""Which results are kept, and until when. A result of several calls is kept only if nothing changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from deployments.core.documents import Retrieval, SearchQuery
from deployments.core.errors import KnowledgeUnavailable
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.leases import LEASE_S, HolderId, Lease, LeasedRetrieval
from deployments.retrieval.cached_retriever import CachedRetriever, RetrievalCacheParts, RetrievalKey
from deployments.retrieval.held_leases import LeaseKeeper
from deployments.retrieval.rhythms import Rhythms
from tests.fakes import FakeClock, a_passage

SCOPE = Scope(TenantId("acme"), CollectionName("kb"))
QUERY = SearchQuery(SCOPE, "question", 5)


class FakeKnowledge:
    """A `LeasingKnowledge` whose `watch` waits for a change, and a `Retriever` that makes two calls.

    `between` is called between the two.
    """

    def __init__(self) -> None:
        self.generation = 1
        self.searches = 0
        self.asked_at_once = 0
        self.is_gone = False
        self.between: Callable[[], None] = lambda: None
        self._changed = asyncio.Event()

    def change(self) -> None:
        self.generation += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def leased_search(self, holder: HolderId, query: SearchQuery) -> LeasedRetrieval:
        return LeasedRetrieval(await self.search(query), LEASE_S)

    async def watch(self, holder: HolderId, known: Mapping[Scope, int]) -> Mapping[Scope, Lease]:
        if self.is_gone:
            raise KnowledgeUnavailable("gone")
        if set(known.values()) == {self.generation}:
            await self._changed.wait()
        elif min(known.values()) < 0:
            self.asked_at_once += 1
        return {scope: Lease(self.generation, f"state {self.generation}", LEASE_S) for scope in known}

    async def search(self, query: SearchQuery) -> Retrieval:
        self.searches += 1
        await asyncio.sleep(0)
        self.between()
        return Retrieval((a_passage(self.generation),), self.generation, f"state {self.generation}")


class NoStore:
    """A `RetrievalStore` that keeps nothing."""

    async def get(self, key: RetrievalKey) -> Retrieval | None:
        return None

    async def put(self, key: RetrievalKey, retrieval: Retrieval, ttl_s: int) -> None:
        pass


async def news_arrives() -> None:
    """Lets the watching task run until it waits again."""
    for _ in range(10):
        await asyncio.sleep(0)


Make = Callable[..., CachedRetriever]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    async with AsyncExitStack() as stack:

        def one(knowledge: FakeKnowledge, clock: FakeClock, *, composed: bool) -> CachedRetriever:
            keeper = LeaseKeeper(knowledge, clock=clock)
            stack.push_async_callback(keeper.close)
            parts = RetrievalCacheParts(keeper, Rhythms(clock), NoStore(), 60, clock=clock)
            return CachedRetriever(parts, knowledge if composed else None)

        yield one


async def test_a_composed_answer_is_kept_when_nothing_changed_meanwhile(make: Make) -> None:
    knowledge = FakeKnowledge()
    retriever = make(knowledge, FakeClock(), composed=True)
    for _ in range(3):
        await retriever.search(QUERY)
    assert (knowledge.searches, knowledge.asked_at_once, retriever.hits) == (1, 1, 2)


async def test_equal_questions_of_different_talks_are_different_searches(make: Make) -> None:
    knowledge = FakeKnowledge()
    retriever = make(knowledge, FakeClock(), composed=True)
    for talk in ((), ("How many seats?",), ("How much storage?",), ("How many seats?",)):
        await retriever.search(replace(QUERY, talk=talk))
    assert (knowledge.searches, retriever.hits) == (3, 1)


async def test_a_composed_answer_that_a_change_fell_into_is_not_kept(make: Make) -> None:
    knowledge = FakeKnowledge()
    retriever = make(knowledge, FakeClock(), composed=True)
    knowledge.between = knowledge.change
    await retriever.search(QUERY)
    knowledge.between = lambda: None
    await news_arrives()
    await retriever.search(QUERY)
    assert (knowledge.searches, retriever.hits) == (2, 0)
    await retriever.search(QUERY)
    assert retriever.hits == 1


async def test_without_a_lease_every_question_is_searched_for(make: Make) -> None:
    knowledge, clock = FakeKnowledge(), FakeClock()
    retriever = make(knowledge, clock, composed=False)
    knowledge.is_gone = True
    await retriever.search(QUERY)
    await retriever.search(QUERY)
    assert (knowledge.searches, retriever.hits) == (1, 1)
    clock.pass_s(LEASE_S)
    await retriever.search(QUERY)
    assert (knowledge.searches, retriever.hits) == (2, 1)


async def test_a_change_reaches_a_waiting_holder(make: Make) -> None:
    knowledge = FakeKnowledge()
    retriever = make(knowledge, FakeClock(), composed=False)
    await retriever.search(QUERY)
    await retriever.search(QUERY)
    await news_arrives()
    knowledge.change()
    await news_arrives()
    found = await retriever.search(QUERY)
    assert (found.generation, retriever.hits, retriever.misses) == (2, 1, 2)
