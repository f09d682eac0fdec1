"""Which server of a cluster gets which command."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from deployments.core.errors import CacheUnavailable
from deployments.redis.replies import parsed
from deployments.redis.slots import SlotMap
from deployments.token_cache.keys import MEASURED, NEXT_MEASURED, counted_name

FIRST, LAST = ("a", 1), ("b", 2)
MAP = SlotMap.parse([[0, 8191, [b"a", 1, b"id"], [b"r", 3]], [8192, 16383, [None, 2, b"id", []]]], "b")
KEYS = st.text(min_size=1, max_size=12).map(str.encode)


def owner(key: bytes) -> tuple[str, int]:
    return FIRST if key_slot(key) < 8192 else LAST


def test_the_map_has_primaries_and_replicas():
    """A server without a host has the one that was asked."""
    assert (MAP.primaries, MAP.nodes) == ([FIRST, LAST], [FIRST, ("r", 3), LAST])


@given(st.lists(KEYS, max_size=20))
def test_each_command_goes_once_to_the_server_of_its_key_and_in_order(keys):
    routes = MAP.routes([("GET", key) for key in keys])
    assert {n: node for node, numbers in routes.items() for n in numbers} == dict(enumerate(map(owner, keys)))
    assert all(numbers == sorted(numbers) for numbers in routes.values())


@given(KEYS)
def test_a_command_without_a_key_goes_with_the_others_and_a_script_by_its_key(key):
    assert MAP.routes([("TIME",), ("EVAL", "return 1", 1, key, "x")]) == {owner(key): [0, 1]}
    assert list(MAP.routes([("PING",)]).values()) == [[0]]


@pytest.mark.parametrize("command", [("SCAN", 0), ("INFO",)])
def test_a_command_for_every_server_is_a_fault(command):
    with pytest.raises(ValueError, match="shards"):
        MAP.routes([command])


def test_a_slot_that_no_server_has_is_left_out():
    assert SlotMap.parse([[0, 0, [b"a", 1]]], "a").routes([("GET", "x")]) == {}


def test_names_that_one_command_uses_are_in_one_slot():
    assert key_slot(MEASURED.encode()) == key_slot(NEXT_MEASURED.encode())
    name = "warmline:counters:a/kb"
    assert key_slot(name.encode()) == key_slot(counted_name(name, "writer").encode())


ROWS = st.recursive(
    st.none() | st.integers(-1, 20_000) | st.binary(max_size=3), lambda x: st.lists(x, max_size=4)
)


@given(ROWS)
def test_any_reply_is_read_or_refused_one_way(reply):
    with suppress(CacheUnavailable):
        parsed(partial(SlotMap.parse, asked_host="a"), reply)
