"""The history in Redis: counts of all replicas add up, in a string that never grows."""

from __future__ import annotations

import struct

import pytest

from deployments.core.cache_history import HOUR, ReuseCounts
from deployments.core.errors import CacheUnavailable
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.token_cache.history import KEPT_S, SIZE, RedisHistory
from deployments.token_cache.keys import history_name

SCOPE = Scope(TenantId("acme"), CollectionName("support_kb"))
OTHER = Scope(TenantId("other"), CollectionName("support_kb"))
ONE = ReuseCounts(1, 5, 2, 1500, 1200, 80)


def total(history):
    return sum(history.steps, ReuseCounts())


async def test_counts_of_all_replicas_add_up_for_each_scope(link):
    """In the hour and in the day; another tenant's are not among them."""
    for _ in range(3):
        await RedisHistory(link).add({SCOPE: ONE, OTHER: ReuseCounts(answers=7)})
    found = await RedisHistory(link).history(SCOPE)
    assert total(found.hour) == total(found.day) == ONE + ONE + ONE
    # The minute may have changed between the calls, not more.
    assert sum(found.hour.steps[-2:], ReuseCounts()) == ONE + ONE + ONE
    assert total((await RedisHistory(link).history(OTHER)).hour).answers == 21


async def test_a_scope_takes_the_same_bytes_however_much_is_counted(link):
    """And expires a day after its last answer."""
    history, name = RedisHistory(link), history_name(SCOPE)
    for _ in range(50):
        await history.add({SCOPE: ONE})
    length, ttl_s = await link.call(("STRLEN", name), ("TTL", name))
    assert length <= SIZE == 5712
    assert KEPT_S - 5 <= ttl_s <= KEPT_S


async def test_a_slot_of_an_earlier_hour_starts_again(link):
    """Its counts are not added to the present ones."""
    history, name = RedisHistory(link), history_name(SCOPE)
    (clock,) = await link.call(("TIME",))
    minute = int(clock[0]) // HOUR.step_s
    for number in (minute - HOUR.steps, minute + 1 - HOUR.steps):  # the second, if a minute begins meanwhile
        slot = struct.pack("<7I", number, *[9] * 6)
        await link.call(("SETRANGE", name, number % HOUR.steps * 28, slot))
    await history.add({SCOPE: ONE})
    assert (await history.history(SCOPE)).hour.steps[-1] == ONE


async def test_adding_leaves_the_other_steps_as_they_are(link):
    """All of the hour. The first and last ones are left out here: a minute may begin meanwhile."""
    history, name = RedisHistory(link), history_name(SCOPE)
    (clock,) = await link.call(("TIME",))
    minute = int(clock[0]) // HOUR.step_s
    for number in range(minute + 1 - HOUR.steps, minute):
        slot = struct.pack("<7I", number, *[9] * 6)
        await link.call(("SETRANGE", name, number % HOUR.steps * 28, slot))
    await history.add({SCOPE: ONE})
    found = (await history.history(SCOPE)).hour.steps
    assert {step.answers for step in found[2:-2]} == {9}
    assert total((await history.history(SCOPE)).day) == ONE


async def test_a_count_stops_at_its_largest_value(link):
    """32 bits: a count that began again at zero would be a wrong figure."""
    history = RedisHistory(link)
    most = ReuseCounts(answers=2**32 - 2)
    await history.add({SCOPE: most})
    for _ in range(3):
        await history.add({SCOPE: ONE})
    assert max(step.answers for step in (await history.history(SCOPE)).day.steps) == 2**32 - 1


async def test_a_name_of_another_type_is_deleted_and_used_again(link):
    """One call fails, the next one works: for writing and for reading."""
    history, name = RedisHistory(link), history_name(SCOPE)
    for broken in (history.add({SCOPE: ONE}), history.history(SCOPE)):
        await link.call(("UNLINK", name), ("LPUSH", name, "x"))
        with pytest.raises(CacheUnavailable):
            await broken
        await history.add({SCOPE: ONE})
        assert total((await history.history(SCOPE)).day).answers == 1


async def test_nothing_was_counted(link):
    """An empty history has all its steps."""
    found = await RedisHistory(link).history(SCOPE)
    assert len(found.hour.steps) == 60
    assert len(found.day.steps) == 144
    assert total(found.day) == ReuseCounts()
