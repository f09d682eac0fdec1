"""An ingress replica's copy of the stored API keys is never older than it may be."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

import pytest

from deployments.core.access import KeyChanges, KeyDesk, KeyRecord, KeyScope, digest_of
from deployments.core.errors import KnowledgeUnavailable, Unavailable
from deployments.core.ids import TenantId
from serve_app.stored_keys import FRESH_S, MAX_AGE_S, NEW_KEY_S, StoredKeys
from tests.fakes import FakeClock

FOREVER = float("inf")


class Desk:
    """The part of a `KeyDesk` that recognises keys. Its list can be changed, slow or down."""

    def __init__(self) -> None:
        self.records: dict[str, KeyRecord] = {}
        self.revision = 1
        self.revisions: dict[str, int] = {}
        self.calls: list[tuple[int, Mapping[str, float]]] = []
        self.fault: Exception | None = None
        self.gate: asyncio.Event | None = None

    def store(self, key_id: str, **valid_until_s: float) -> None:
        self.revision += 1
        valid = {digest_of(secret): until for secret, until in valid_until_s.items()}
        self.records[key_id] = KeyRecord(key_id, TenantId("acme"), frozenset(KeyScope), valid)
        self.revisions[key_id] = self.revision

    async def key_changes(self, known: int, used: Mapping[str, float]) -> KeyChanges:
        self.calls.append((known, used))
        answer = tuple(r for key_id, r in self.records.items() if self.revisions[key_id] > known)
        revision = self.revision
        if self.gate is not None:
            await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return KeyChanges(revision, answer, known == 0)


class Rig:
    """A copy, its desk and its clocks."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.clock = FakeClock()
        self.age = FakeClock()
        self.keys = StoredKeys(cast(KeyDesk, self.desk), self.clock, self.age)

    async def finds(self, secret: str) -> bool:
        return await self.keys.find(digest_of(secret)) is not None

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.desk.store("key-1", one=FOREVER)
    return made


async def test_a_fresh_copy_is_not_read_again(rig: Rig) -> None:
    """However many requests come."""
    for _ in range(10):
        assert await rig.finds("one")
    assert len(rig.desk.calls) == 1


async def test_a_revoked_key_is_refused_after_the_copys_maximum_age(rig: Rig) -> None:
    """Also by a replica that had no request since."""
    assert await rig.finds("one")
    rig.desk.store("key-1")
    rig.age.pass_s(MAX_AGE_S + 0.01)
    assert not await rig.finds("one")


async def test_an_older_copy_is_used_while_it_is_read_again(rig: Rig) -> None:
    """No request waits for the reading; the next ones see its result."""
    assert await rig.finds("one")
    rig.desk.store("key-1")
    rig.age.pass_s(FRESH_S + 0.01)
    assert await rig.finds("one")
    await rig.settle()
    assert not await rig.finds("one")


async def test_only_changes_are_read(rig: Rig) -> None:
    """From the second reading on."""
    await rig.finds("one")
    rig.desk.store("key-2", two=FOREVER)
    rig.age.pass_s(MAX_AGE_S + 0.01)
    assert await rig.finds("two")
    assert await rig.finds("one")
    assert [known for known, _ in rig.desk.calls] == [0, 2]


async def test_a_new_key_is_known_at_once(rig: Rig) -> None:
    """An unknown key makes the replica read the list."""
    await rig.finds("one")
    rig.desk.store("key-2", two=FOREVER)
    rig.age.pass_s(NEW_KEY_S + 0.01)
    assert await rig.finds("two")


async def test_guesses_cost_a_reading_in_a_quarter_of_a_second(rig: Rig) -> None:
    """However many come."""
    await rig.finds("one")
    rig.age.pass_s(NEW_KEY_S + 0.01)
    assert not any(await asyncio.gather(*(rig.finds(f"guess-{n}") for n in range(100))))
    assert len(rig.desk.calls) == 2


async def test_a_reading_that_began_before_a_change_is_not_taken_for_a_later_one(rig: Rig) -> None:
    """It can be slow: its age counts from its start."""
    await rig.finds("one")
    rig.desk.gate = asyncio.Event()
    rig.age.pass_s(FRESH_S + 0.01)
    assert await rig.finds("one")  # starts a reading, which has the old list
    await rig.settle()
    rig.desk.store("key-1")
    rig.age.pass_s(MAX_AGE_S + 0.01)
    asking = asyncio.create_task(rig.finds("one"))
    await rig.settle()
    rig.desk.gate.set()
    assert not await asking


async def test_keys_expire_by_the_clock(rig: Rig) -> None:
    """Without a change of the list. A rotated key has two secrets for some time."""
    rig.desk.store("key-2", former=rig.clock.now_s + 10, present=FOREVER)
    assert await rig.finds("former")
    rig.clock.pass_s(10)
    assert not await rig.finds("former")
    assert await rig.finds("present")


async def test_without_the_list_stored_keys_are_not_answered_with_yes_or_no(rig: Rig) -> None:
    """The error says to try again; the next request reads again."""
    await rig.finds("one")
    rig.desk.fault = KnowledgeUnavailable("down")
    rig.age.pass_s(MAX_AGE_S + 0.01)
    with pytest.raises(Unavailable):
        await rig.finds("one")
    rig.desk.fault = None
    assert await rig.finds("one")


async def test_a_short_failure_is_not_noticed(rig: Rig) -> None:
    """While the copy may be used."""
    await rig.finds("one")
    rig.desk.fault = KnowledgeUnavailable("down")
    rig.age.pass_s(FRESH_S + 0.01)
    assert await rig.finds("one")
    await rig.settle()
    assert await rig.finds("one")


async def test_uses_are_reported_once_a_minute_and_not_lost(rig: Rig) -> None:
    """A failed reading's uses come with the next one."""
    await rig.finds("one")
    first_s = rig.clock.now_s
    rig.desk.fault = KnowledgeUnavailable("down")
    for _ in range(2):
        rig.age.pass_s(FRESH_S + 0.01)
        await rig.finds("one")
        await rig.settle()
        rig.desk.fault = None
    rig.clock.pass_s(30)
    rig.age.pass_s(FRESH_S + 0.01)
    await rig.finds("one")
    await rig.settle()
    assert [dict(used) for _, used in rig.desk.calls] == [
        {},
        {"key-1": first_s},
        {"key-1": first_s},
        {},
    ]
