"""Leases on the real knowledge base: after a change returned, no holder uses the former contents."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest

from deployments.core.documents import Retrieval, SearchQuery
from deployments.core.errors import CacheUnavailable, KnowledgeUnavailable
from deployments.core.ids import CollectionName, DocId, Scope, TenantId
from deployments.core.leases import HolderId, Lease, LeasedRetrieval
from deployments.retrieval.cached_retriever import CachedRetriever, RetrievalCacheParts, RetrievalKey
from deployments.retrieval.granted_leases import GRANTED_S
from deployments.retrieval.held_leases import LeaseKeeper
from deployments.retrieval.lease_granting import Leases
from deployments.retrieval.rhythms import Rhythms
from tests.contract.knowledge.conftest import SCOPE, Knowledge, Start, until

UPDATES = {"sqlite": 200, "postgresql": 40}
OTHER = Scope(TenantId("other"), CollectionName("kb"))


@dataclass
class SharedRetrievals:
    """A `RetrievalStore`; all of its calls fail while `down` is set."""

    entries: dict[RetrievalKey, Retrieval] = field(default_factory=dict)
    down: bool = False

    async def get(self, key: RetrievalKey) -> Retrieval | None:
        await self._called()
        return self.entries.get(key)

    async def put(self, key: RetrievalKey, retrieval: Retrieval, ttl_s: int) -> None:
        await self._called()
        self.entries[key] = retrieval

    async def _called(self) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise CacheUnavailable("down")


@dataclass
class Wire:
    """A remote `LeasingKnowledge`: messages take `delay_s`, and are lost while `broken` is set."""

    knowledge: Knowledge
    delay_s: Callable[[], float] = lambda: 0.0
    broken: bool = False
    searches: int = 0
    watches: int = 0

    async def leased_search(self, holder: HolderId, query: SearchQuery) -> LeasedRetrieval:
        self.searches += 1
        await self._travel()
        found = await self.knowledge.service.leased_search(holder, query)
        await self._travel()
        return found

    async def watch(self, holder: HolderId, known: Mapping[Scope, int]) -> Mapping[Scope, Lease]:
        self.watches += 1
        await self._travel()
        found = await self.knowledge.service.watch(holder, known)
        await self._travel()
        return found

    async def _travel(self) -> None:
        await asyncio.sleep(self.delay_s())
        if self.broken:
            raise KnowledgeUnavailable("lost on the way")


@dataclass
class Replica:
    """The part of an agent's replica that retrieves."""

    wire: Wire
    keeper: LeaseKeeper
    retriever: CachedRetriever

    async def read(self, text: str, scope: Scope = SCOPE) -> list[str]:
        """Returns the bodies of the passages found."""
        found = await self.retriever.search(SearchQuery(scope, text, 5))
        return [passage.body for passage in found.passages]


Join = Callable[..., Replica]


@pytest.fixture
async def join() -> AsyncIterator[Join]:
    """Starts replicas."""
    async with AsyncExitStack() as stack:

        def one(knowledge: Knowledge, shared: SharedRetrievals | None = None, **wire: object) -> Replica:
            line = Wire(knowledge, **wire)  # type: ignore[arg-type]
            rhythms = Rhythms(time.monotonic)
            keeper = LeaseKeeper(line, rhythms.changed)
            stack.push_async_callback(keeper.close)
            store = shared or SharedRetrievals()
            parts = RetrievalCacheParts(keeper, rhythms, store, 60)
            return Replica(line, keeper, CachedRetriever(parts))

        yield one


async def seconds(call: Awaitable[object]) -> float:
    """Measures how long a call takes."""
    begun = time.monotonic()
    await call
    return time.monotonic() - begun


async def test_a_warm_question_needs_no_search(knowledge: Knowledge, join: Join) -> None:
    await knowledge.put("a", "the first text")
    replica = join(knowledge)
    cold = await replica.read("first  text ")
    for variant in ("first text", " first\ttext", "first text\n"):
        assert await replica.read(variant) == cold
    assert (replica.wire.searches, replica.retriever.misses, replica.retriever.hits) == (1, 1, 3)
    assert await replica.read("First text") == cold
    assert replica.retriever.misses == 2  # upper and lower case may mean different things to a model


async def test_the_cache_answers_as_a_search_does(knowledge: Knowledge, join: Join) -> None:
    for number in range(8):
        await knowledge.put(f"d{number}", f"text number {number} of eight", title=f"T{number}")
    replica = join(knowledge)
    query = SearchQuery(SCOPE, "  text\u00a0number 3 e\u0301 ", 3)
    plain = await knowledge.service.search(query)
    for _ in range(3):
        assert await replica.retriever.search(query) == plain
    assert replica.retriever.hits == 2


async def test_a_lease_is_renewed_as_long_as_it_is_used(knowledge: Knowledge, join: Join) -> None:
    await knowledge.put("a", "the first text")
    replica = join(knowledge)
    await replica.read("first")
    for _ in range(8):
        await asyncio.sleep(0.4)
        await replica.read("first")
    assert replica.wire.searches == 1
    assert replica.wire.watches < 10


async def test_an_update_is_seen_by_all_when_it_returns(knowledge: Knowledge, join: Join) -> None:
    await knowledge.put("a", "version 0")
    replicas = [join(knowledge) for _ in range(3)]
    for version in range(1, 4):
        before = [await replica.read("version") for replica in replicas]
        assert before == [[f"version {version - 1}"]] * 3
        assert await seconds(knowledge.put("a", f"version {version}")) < GRANTED_S / 2
    await knowledge.service.delete(SCOPE, DocId("a"))
    assert [await replica.read("version") for replica in replicas] == [[], [], []]


async def test_a_change_does_not_wait_for_another_scope_s_leases(knowledge: Knowledge, join: Join) -> None:
    await knowledge.put("a", "mine")
    replica = join(knowledge)
    await replica.read("mine")
    replica.wire.broken = True
    assert await seconds(knowledge.put("a", "theirs", scope=OTHER)) < GRANTED_S / 2


async def test_a_change_waits_for_an_unreachable_holder_until_its_lease_ends(
    knowledge: Knowledge, join: Join
) -> None:
    await knowledge.put("a", "old text")
    replica = join(knowledge)
    assert await replica.read("text") == ["old text"]
    replica.wire.broken = True
    update = asyncio.create_task(seconds(knowledge.put("a", "new text")))
    while not update.done():
        try:
            await replica.read("text")
        except KnowledgeUnavailable:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0)
    with pytest.raises(KnowledgeUnavailable):
        await replica.read("text")
    assert 0.5 < await update < GRANTED_S + 1
    replica.wire.broken = False
    assert await replica.read("text") == ["new text"]


async def test_an_equal_update_waits_for_the_first_one_s_holders(knowledge: Knowledge, join: Join) -> None:
    await knowledge.put("a", "old text")
    replica = join(knowledge)
    await replica.read("text")
    replica.wire.broken = True
    first = asyncio.create_task(knowledge.put("a", "new text"))

    async def is_committed() -> bool:
        return (await knowledge.service.get(SCOPE, DocId("a"))).content == "new text"

    await until(is_committed)
    first.cancel()
    await knowledge.put("a", "new text")
    with pytest.raises(KnowledgeUnavailable):
        await replica.read("text")


async def test_every_change_waits_if_other_processes_grant_leases_too(start: Start) -> None:
    shared = await start(leases=Leases(alone=False))
    assert await seconds(shared.put("a", "text")) >= GRANTED_S


async def test_a_new_process_waits_for_its_predecessor_s_leases(start: Start) -> None:
    begun = time.monotonic()
    new = await start(leases=Leases(alone=True))
    with new.service.starting():
        await new.put("b", "its own start does not wait")
    assert time.monotonic() - begun < GRANTED_S
    await new.put("a", "text")
    assert time.monotonic() - begun >= GRANTED_S
    assert await seconds(new.put("a", "more text")) < GRANTED_S / 2


async def test_replicas_share_what_they_retrieved(knowledge: Knowledge, join: Join) -> None:
    await knowledge.put("a", "the first text")
    shared = SharedRetrievals()
    one, other = join(knowledge, shared), join(knowledge, shared)
    expected = await one.read("first text")
    await other.read("something else")
    assert await other.read("first text") == expected
    assert (other.retriever.shared_hits, other.wire.searches) == (1, 1)
    await knowledge.put("a", "the second text")
    await other.read("something else")
    assert await other.read("first text") == ["the second text"]


async def test_a_store_that_is_down_is_never_an_error(knowledge: Knowledge, join: Join) -> None:
    await knowledge.put("a", "the first text")
    replica = join(knowledge, SharedRetrievals(down=True))
    assert await replica.read("first") == await replica.read("text") == ["the first text"]
    assert await replica.read("text") == ["the first text"]
    assert replica.retriever.hits == 1


async def test_the_same_generation_of_other_contents_is_another_state(knowledge: Knowledge) -> None:
    """In a database restored from a backup, generations repeat."""
    found = []
    for collection in ("one", "two"):
        scope = Scope(SCOPE.tenant, CollectionName(collection))
        await knowledge.put("a", "text", scope=scope)
        found.append(await knowledge.service.search(SearchQuery(scope, "text", 5)))
    assert found[0].generation == found[1].generation
    assert found[0].state != found[1].state


async def test_clearing_drops_a_tenant_s_entries_only(knowledge: Knowledge, join: Join) -> None:
    for scope in (SCOPE, OTHER):
        await knowledge.put("a", "text", scope=scope)
    replica = join(knowledge)
    for scope in (SCOPE, OTHER):
        await replica.read("text", scope)
    assert replica.retriever.clear(SCOPE.tenant, None) == 1
    for scope in (SCOPE, OTHER):
        await replica.read("text", scope)
    assert (replica.retriever.hits, replica.retriever.shared_hits) == (1, 1)


async def test_updates_concurrent_with_three_readers(knowledge: Knowledge, join: Join) -> None:
    """Each answer is at least as new as the last update that returned before the question."""
    chance = random.Random(0)
    shared = SharedRetrievals()
    returned = 0
    replicas = [join(knowledge, shared, delay_s=lambda: chance.uniform(0, 0.003)) for _ in range(3)]
    await knowledge.put("a", "version 0")
    done = asyncio.Event()

    async def ask(replica: Replica) -> None:
        while not done.is_set():
            least = returned
            (body,) = await replica.read("version")
            assert int(body.split()[1]) >= least
            await asyncio.sleep(chance.choice([0, 0.002, 0.01]))

    async with asyncio.TaskGroup() as readers:
        for replica in replicas:
            readers.create_task(ask(replica))
        for version in range(1, UPDATES[knowledge.database.dialect] + 1):
            await knowledge.put("a", f"version {version}")
            returned = version
        done.set()
    assert all(replica.retriever.hits > replica.retriever.misses for replica in replicas)
