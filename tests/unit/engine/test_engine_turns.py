"""Requests wait for their turn, and leave their seat however they end."""

from __future__ import annotations

import asyncio

import pytest

from deployments.core.errors import DeadlineExceeded, Overloaded
from deployments.engine.engine_turns import EngineTurns


async def hold(turns: EngineTurns, tenant: str, until: asyncio.Event, within_s: float = 9.0) -> float:
    async with turns.turn(tenant, 100, within_s) as turn:
        await until.wait()
        return turn.waited_s


async def test_another_tenant_runs_at_once_beside_a_flood() -> None:
    """And a request of the flood runs when one of its own ends."""
    turns, end, quiet = EngineTurns(5, 100), asyncio.Event(), asyncio.Event()
    flood = [asyncio.create_task(hold(turns, "flood", end)) for _ in range(50)]
    await asyncio.sleep(0.01)
    quiet.set()
    assert await hold(turns, "quiet", quiet) < 0.01
    assert not any(task.done() for task in flood)
    assert turns.waiting == 46
    end.set()
    assert len(await asyncio.gather(*flood)) == 50


async def test_a_request_that_waits_too_long_ends() -> None:
    """At its deadline, and without a seat."""
    turns, end = EngineTurns(1, 10), asyncio.Event()
    running = asyncio.create_task(hold(turns, "a", end))
    await asyncio.sleep(0)
    with pytest.raises(DeadlineExceeded):
        await hold(turns, "a", end, within_s=0.02)
    end.set()
    await running
    assert await hold(turns, "a", end) < 0.01


async def test_a_cancelled_request_leaves_its_seat() -> None:
    """Whether it runs, waits, or has just got its turn."""
    turns, never = EngineTurns(1, 10), asyncio.Event()
    first, second, third = (asyncio.create_task(hold(turns, "a", never)) for _ in range(3))
    await asyncio.sleep(0.01)
    third.cancel()
    first.cancel()
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(first, second, third, return_exceptions=True)
    never.set()
    assert await hold(turns, "a", never) < 0.01


async def test_a_tenant_has_four_fifths_of_the_places_at_most() -> None:
    """What it sends more is refused at once, and others are not."""
    turns, end = EngineTurns(1, 10), asyncio.Event()
    flood = [asyncio.create_task(hold(turns, "flood", end)) for _ in range(8)]
    await asyncio.sleep(0.01)
    with pytest.raises(Overloaded, match="of this tenant"):
        await hold(turns, "flood", end)
    other = asyncio.create_task(hold(turns, "other", end))
    await asyncio.sleep(0.01)
    end.set()
    await asyncio.gather(other, *flood)
    assert await hold(turns, "flood", end) < 0.01
