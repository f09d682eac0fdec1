"""Tenants take turns; one tenant has one slot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from deployments.core.ids import TenantId
from deployments.knowledge.fair_turns import FairTurns


class Calls:
    """Calls that hold their slot until they are ended by name. A name's first letter is its tenant."""

    def __init__(self, slots: int, each: int = 1) -> None:
        self._turns = FairTurns(slots, each)
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.running: list[str] = []

    async def start(self, *names: str) -> None:
        for name in names:
            self._ends[name] = asyncio.Event()
            self._tasks[name] = asyncio.create_task(self._hold(name))
        await settled()

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await settled()

    async def cancel(self, name: str) -> None:
        self._tasks[name].cancel()
        await settled()

    async def _hold(self, name: str) -> None:
        async with self._turns.turn(TenantId(name[0])):
            self.running.append(name)
            try:
                await self._ends[name].wait()
            finally:
                self.running.remove(name)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_tenant_has_one_slot() -> None:
    calls = Calls(2)
    await calls.start("a1", "a2", "a3")
    assert calls.running == ["a1"]
    await calls.start("b1")
    assert calls.running == ["a1", "b1"]
    await calls.end("a1")
    assert calls.running == ["b1", "a2"]


async def test_more_tenants_than_slots_take_turns() -> None:
    calls = Calls(1)
    await calls.start("a1", "a2", "b1", "b2", "c1")
    order = []
    while calls.running:
        order += calls.running
        await calls.end(calls.running[0])
    assert order == ["a1", "b1", "c1", "a2", "b2"]


async def test_a_cancelled_call_leaves_its_slot_and_its_place() -> None:
    calls = Calls(1)
    await calls.start("a1", "b1", "c1")
    await calls.cancel("b1")
    await calls.cancel("a1")
    assert calls.running == ["c1"]
    await calls.end("c1")
    await calls.start("b2")
    assert calls.running == ["b2"]


async def test_a_call_cancelled_when_its_slot_is_granted_gives_it_back() -> None:
    turns = FairTurns(1)

    async def hold(entered: Callable[[], None]) -> None:
        async with turns.turn(TenantId("b")):
            entered()

    async with turns.turn(TenantId("a")):
        waiting = asyncio.create_task(hold(lambda: None))
        await settled()
    waiting.cancel()  # after the grant, before the task runs again
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(5), turns.turn(TenantId("c")):
        pass


async def test_a_tenant_has_several_slots_if_it_may_and_leaves_the_others() -> None:
    calls = Calls(3, each=2)
    await calls.start("a1", "a2", "a3", "b1")
    assert calls.running == ["a1", "a2", "b1"]
    await calls.start("c1")
    await calls.end("a1")
    assert calls.running == ["a2", "b1", "c1"]
    await calls.end("b1")
    assert calls.running == ["a2", "c1", "a3"]
    for name in ("a2", "a3", "c1"):
        await calls.end(name)
