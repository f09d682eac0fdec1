"""Bugs that the simulation must find. Each is planted into the product's code by replacing a part of it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from deployments.core.documents import SearchQuery
from deployments.core.ids import Scope, SegmentKey, TenantId
from deployments.core.leases import LEASE_S, HolderId, Lease, LeasedRetrieval
from deployments.core.reuse.replica_view import ReplicaView
from deployments.core.salt import cache_salt
from deployments.core.token_ids import TokenIds
from deployments.engine.engine_turns import EngineTurns
from deployments.engine.kv_feed import BlockEvent, KvFeed
from deployments.rag.shared_counts import SharedCounts
from deployments.retrieval import retrieval_lru, retrieval_store, tenant_salts
from deployments.retrieval.granted_leases import LeaseTable, Reading
from deployments.retrieval.held_leases import HeldLeases
from deployments.retrieval.lease_granting import LeasedSearch, Leases
from deployments.token_cache import stored_segments
from deployments.token_cache.codec import HEADER_BYTES, CorruptEntry, _ids, peek_count
from deployments.token_cache.flight import SingleFlight
from deployments.token_cache.lru import SegmentLru
from tests.simulation import world

Patch = pytest.MonkeyPatch


def lease_counted_from_its_answer(patch: Patch) -> None:
    """A holder counts a lease from the answer, not from its call."""
    accept = HeldLeases.accept

    def late(self: HeldLeases, scope: Scope, lease: Lease, sent_s: float) -> bool:
        return accept(self, scope, lease, self._clock())

    patch.setattr(HeldLeases, "accept", late)


def lease_not_renewed(patch: Patch) -> None:
    """A holder goes on with a lease that has run out and was not renewed."""

    def state(self: HeldLeases, scope: Scope) -> str | None:
        held = self._held.get(scope)
        if held is None:
            return None
        held.used_s = self._clock()
        return held.state

    patch.setattr(HeldLeases, "state", state)


def lease_by_the_wall_clock(patch: Patch) -> None:
    """Leases are counted by a clock that is set back now and then."""
    now = world.Clock.__call__

    def wall_clock(self: world.Clock) -> float:
        return now(self) - 2 * (now(self) // 7 % 2)

    patch.setattr(world.Clock, "__call__", wall_clock)


def holder_forgotten(patch: Patch) -> None:
    """The knowledge base remembers the last holder of a collection only."""
    grant = LeaseTable.grant

    def granted(self: LeaseTable, reading: Reading, scope: Scope, holder: HolderId, generation: int) -> bool:
        self._granted.pop(scope, None)
        return grant(self, reading, scope, holder, generation)

    patch.setattr(LeaseTable, "grant", granted)


def predecessor_forgotten(patch: Patch) -> None:
    """A new process of the knowledge base does not wait for leases of the process before it."""
    start = Leases.__init__

    def started(self: Leases, *, alone: bool, **named: Any) -> None:
        start(self, alone=alone, **{**named, "predecessor": False})

    patch.setattr(Leases, "__init__", started)


def result_labelled_after_the_search(patch: Patch) -> None:
    """A search reads the collection's state after the passages, so a change between the two is missed."""

    async def leased_search(self: LeasedSearch, holder: HolderId, query: SearchQuery) -> LeasedRetrieval:
        found = await self._search.search(query)
        generation, state = (await self._search.states([query.scope]))[query.scope]
        with self._leases.table.reading([query.scope]) as readings:
            self._leases.table.grant(readings[query.scope], query.scope, holder, generation)
        return LeasedRetrieval(replace(found, generation=generation, state=state), LEASE_S)

    patch.setattr(LeasedSearch, "leased_search", leased_search)


def result_kept_after_a_change(patch: Patch) -> None:
    """A process's own results are found in any state of the collection."""

    def get(self: retrieval_lru.RetrievalLru, query: SearchQuery, state: str) -> Any:
        return self._entries.get(query)

    patch.setattr(retrieval_lru.RetrievalLru, "get", get)


def late_answer_accepted(patch: Patch) -> None:
    """A holder takes an old answer that a newer one has overtaken."""

    accept = HeldLeases.accept

    def any_accepted(self: HeldLeases, scope: Scope, lease: Lease, sent_s: float) -> bool:
        held = self._held.get(scope)
        if held is not None and lease.generation < held.generation:
            del self._held[scope]
        return accept(self, scope, lease, sent_s)

    patch.setattr(HeldLeases, "accept", any_accepted)


def event_applied_twice(patch: Patch) -> None:
    """A batch of KV events that arrives twice is applied twice."""
    take = KvFeed.take

    def twice(self: KvFeed, number: int, events: Iterable[BlockEvent]) -> bool:
        events = tuple(events)
        if number < self.next_number:
            for event in events:
                self._apply(event)
        return take(self, number, events)

    patch.setattr(KvFeed, "take", twice)


def gap_ignored(patch: Patch) -> None:
    """KV events are applied although earlier ones are missing."""
    take = KvFeed.take

    def any_number(self: KvFeed, number: int, events: Iterable[BlockEvent]) -> bool:
        self.next_number = max(self.next_number, number)
        return take(self, number, events)

    patch.setattr(KvFeed, "take", any_number)


def evictions_unseen(patch: Patch) -> None:
    """An agent does not take evicted paths out of its view of an engine."""
    patch.setattr(ReplicaView, "_remove", lambda _self, _node, _gone: None)


def segments_without_tenant(patch: Patch) -> None:
    """A process's token ids are kept by text, for all tenants together."""
    anyone = TenantId("anyone")
    get, put = SegmentLru.get, SegmentLru.put

    def any_get(self: SegmentLru, scope: Scope, key: SegmentKey) -> TokenIds | None:
        return get(self, replace(scope, tenant=anyone), key)

    def any_put(self: SegmentLru, scope: Scope, key: SegmentKey, ids: TokenIds) -> None:
        put(self, replace(scope, tenant=anyone), key, ids)

    patch.setattr(SegmentLru, "get", any_get)
    patch.setattr(SegmentLru, "put", any_put)


def salt_without_epoch(patch: Patch) -> None:
    """The cache salt stays the same after an erasure."""
    patch.setattr(tenant_salts, "cache_salt", lambda secret, tenant, _epoch: cache_salt(secret, tenant, ""))


def checksum_ignored(patch: Patch) -> None:
    """Damaged entries of Redis are used."""

    def decode(raw: bytes, key: SegmentKey, seal: bytes = b"") -> TokenIds:
        try:
            return _ids(raw[2] & 3, peek_count(raw) or 0, raw[HEADER_BYTES:])
        except zlib.error as error:
            raise CorruptEntry(str(error)) from error

    patch.setattr(stored_segments, "decode", decode)


def counted_again(patch: Patch) -> None:
    """Counts whose confirmation was lost are sent again with the next ones, as if they were new."""
    exchange = SharedCounts._exchange

    async def exchanged(self: SharedCounts, scope: Scope, view: Any) -> None:
        view.sent = None
        await exchange(self, scope, view)

    patch.setattr(SharedCounts, "_exchange", exchanged)


def seat_not_released(patch: Patch) -> None:
    """A request that fails, or whose caller leaves, keeps its place in the engine's queue."""
    turn = EngineTurns.turn

    def kept(self: EngineTurns, tenant: str, tokens: int, within_s: float) -> Any:
        return _Leaking(self, turn(self, tenant, tokens, within_s))

    patch.setattr(EngineTurns, "turn", kept)


class _Leaking:
    """A turn whose place stays taken if it ends by an exception."""

    def __init__(self, turns: EngineTurns, inner: Any) -> None:
        self._turns = turns
        self._inner = inner

    async def __aenter__(self) -> Any:
        return await self._inner.__aenter__()

    async def __aexit__(self, kind: Any, *error: Any) -> Any:
        self._turns._taken += kind is not None
        return await self._inner.__aexit__(kind, *error)


def work_of_others_cancelled(patch: Patch) -> None:
    """A caller that leaves ends the work that others wait for as well."""

    async def wait(self: SingleFlight[Any, Any], flights: set[Any]) -> None:
        try:
            await asyncio.wait([flight.task for flight in flights])
        except asyncio.CancelledError:
            for flight in flights:
                self._forget(flight)
                flight.task.cancel()
            raise

    patch.setattr(SingleFlight, "_wait", wait)


def change_not_withdrawn(patch: Patch) -> None:
    """A change that has returned is announced for ever."""
    patch.setattr(LeaseTable, "withdraw", lambda _self, _scope, _generation: None)


def acknowledged_unseen(patch: Patch) -> None:
    """The knowledge base takes a holder's call as its acknowledgement of a change that it does not know."""

    def acknowledge(self: LeaseTable, holder: HolderId, known: Mapping[Scope, int]) -> None:
        for scope in known:
            self._granted.get(scope, {}).pop(holder, None)

    patch.setattr(LeaseTable, "acknowledge", acknowledge)


def result_shared_without_state(patch: Patch) -> None:
    """A result in Redis is found by its query alone."""
    field = retrieval_store.retrieval_field
    patch.setattr(retrieval_store, "retrieval_field", lambda key: field(replace(key, state="")))


BUGS: Sequence[Callable[[Patch], None]] = (
    lease_counted_from_its_answer,
    lease_not_renewed,
    lease_by_the_wall_clock,
    holder_forgotten,
    predecessor_forgotten,
    acknowledged_unseen,
    late_answer_accepted,
    change_not_withdrawn,
    result_labelled_after_the_search,
    result_kept_after_a_change,
    result_shared_without_state,
    event_applied_twice,
    gap_ignored,
    evictions_unseen,
    segments_without_tenant,
    salt_without_epoch,
    checksum_ignored,
    counted_again,
    work_of_others_cancelled,
    seat_not_released,
)
"""By what they do wrong; the name of each is the name of its function."""

SHOWN_BY = {
    "checksum_ignored": 1,
    "late_answer_accepted": 4,
    "predecessor_forgotten": 8,
    "work_of_others_cancelled": 6,
}
"""The seed of a life that has shown a bug, for those that take the longest to be found."""
