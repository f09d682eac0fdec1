"""Salts change with their tenant's epoch, cost no call while leases last, and have their scopes watched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest

from deployments.core.documents import SearchQuery
from deployments.core.errors import KnowledgeUnavailable
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.leases import LEASE_S, HolderId, Lease, LeasedRetrieval
from deployments.core.salt import cache_salt, salt_scope
from deployments.retrieval.held_leases import WATCHED_S, LeaseKeeper
from deployments.retrieval.tenant_salts import TenantSalts
from tests.fakes import FakeClock

KEY = b"0123456789abcdef"
SCOPE = Scope(TenantId("acme"), CollectionName("kb"))


class Epochs:
    """A `LeasingKnowledge` without documents. `calls` lists the scopes of each call of `watch`."""

    def __init__(self) -> None:
        self.generation = 1
        self.granted_s = LEASE_S
        self.calls: list[set[Scope]] = []
        self.is_gone = False
        self._changed = asyncio.Event()

    def change(self) -> None:
        self.generation += 1
        self._changed.set()

    async def leased_search(self, holder: HolderId, query: SearchQuery) -> LeasedRetrieval:
        raise NotImplementedError

    async def watch(self, holder: HolderId, known: Mapping[Scope, int]) -> Mapping[Scope, Lease]:
        if self.is_gone:
            raise KnowledgeUnavailable("gone")
        self.calls.append(set(known))
        if min(known.values()) >= self.generation:
            self._changed.clear()
            await self._changed.wait()
        return {scope: Lease(self.generation, f"state {self.generation}", self.granted_s) for scope in known}


class Process:
    """An agent's process, which notes the scopes that it hears of."""

    def __init__(self) -> None:
        self.clock, self.knowledge = FakeClock(), Epochs()
        self.changed: list[Scope] = []
        self.unwatched: list[Scope] = []
        self.keeper = LeaseKeeper(
            self.knowledge, self.changed.append, self.clock, unwatched=self.unwatched.append
        )
        self.salts = TenantSalts(self.keeper, KEY)

    async def hear(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
async def process() -> AsyncIterator[Process]:
    made = Process()
    yield made
    await made.keeper.close()


async def test_a_known_salt_costs_no_call(process: Process) -> None:
    assert process.salts.known(SCOPE) is None
    salt = await process.salts.of(SCOPE)
    assert salt == cache_salt(KEY, SCOPE.tenant, "state 1")
    assert process.knowledge.calls[0] == {SCOPE, salt_scope(SCOPE.tenant)}  # one call for both
    for _ in range(100):
        assert (process.salts.known(SCOPE), await process.salts.of(SCOPE)) == (salt, salt)
    await process.hear()
    assert len(process.knowledge.calls) == 2  # the second one waits for changes


async def test_a_new_epoch_is_a_new_salt(process: Process) -> None:
    salt = await process.salts.of(SCOPE)
    await process.hear()
    process.knowledge.change()
    await process.hear()
    assert process.salts.known(SCOPE) not in (None, salt)
    assert set(process.changed) == {SCOPE, salt_scope(SCOPE.tenant)}


async def test_a_salt_that_was_asked_for_during_a_change_is_used_once(process: Process) -> None:
    """No lease is granted then, so the next prompt asks again."""
    process.knowledge.granted_s = 0.0
    assert await process.salts.of(SCOPE) == cache_salt(KEY, SCOPE.tenant, "state 1")
    assert process.salts.known(SCOPE) is None


async def test_without_a_lease_and_without_the_knowledge_base_there_is_no_salt(process: Process) -> None:
    """An old one could reach KV blocks of erased texts."""
    await process.salts.of(SCOPE)
    process.clock.pass_s(LEASE_S)
    process.knowledge.is_gone = True
    assert process.salts.known(SCOPE) is None
    with pytest.raises(KnowledgeUnavailable):
        await process.salts.of(SCOPE)


async def test_it_says_of_which_scopes_it_hears_no_longer(process: Process) -> None:
    """Nobody has asked about them for a while, so nobody would tell the process about a deletion."""
    other = Scope(TenantId("other"), CollectionName("kb"))
    await process.salts.of(SCOPE)
    await process.salts.of(other)
    await process.hear()
    process.clock.pass_s(WATCHED_S + 1)
    await process.salts.of(other)
    process.knowledge.change()
    await process.hear()
    assert set(process.unwatched) == {SCOPE, salt_scope(SCOPE.tenant)}
    process.clock.pass_s(WATCHED_S + 1)
    process.knowledge.change()
    await process.hear()
    assert {other, salt_scope(other.tenant)} <= set(process.unwatched)
