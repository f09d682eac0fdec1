"""What is known of an engine's cache from its events, however many of them are lost."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.reuse.residency import Residency
from deployments.engine.kv_feed import BlockEvent, BlocksRemoved, BlocksStored, CacheCleared, KvFeed
from tests.fakes import FakeClock

CAPACITY = 12
NAMES = range(60)


class Cache:
    """An engine's slots for blocks: the least recently used one is taken; a block can be in several."""

    def __init__(self) -> None:
        self.places: list[int] = [
            -1 - place for place in range(CAPACITY)
        ]  # nothing cached, next to take first
        self.number = 0

    def request(self, chain: list[int]) -> tuple[list[int], int, list[BlockEvent]]:
        """Blocks found, and its batch with its number. The last block is always computed again."""
        found = []
        for block in chain[:-1]:
            if block not in self.places:
                break
            found.append(block)
        for block in found:
            self.places.remove(block)
        new = chain[len(found) :]
        taken = [self.places.pop(0) for _ in new]
        events: list[BlockEvent] = [BlocksRemoved((block,)) for block in taken if block >= 0]
        events.append(BlocksStored(tuple(new)))
        self.places += reversed(found + new)
        self.number += 1
        return found, self.number - 1, events

    def clear(self) -> tuple[int, list[BlockEvent]]:
        self.places = [-1 - place for place in range(CAPACITY)]
        self.number += 1
        return self.number - 1, [CacheCleared()]

    @property
    def held(self) -> set[int]:
        return {place for place in self.places if place >= 0}


def followed() -> tuple[KvFeed, Residency]:
    residency = Residency("r", "e", 32, CAPACITY, FakeClock())
    return KvFeed(residency, CAPACITY), residency


def estimated(residency: Residency) -> bool:
    return residency.estimated


def known(residency: Residency, names: Iterable[int] = NAMES) -> set[int]:
    return {name for name in names if residency.leading([name])}


@given(
    st.lists(st.sampled_from("rrrrrrrrrrlc"), max_size=120)
    | st.lists(st.sampled_from("rrrrrrrc"), max_size=90),
    st.integers(0, 2**32),
)
def test_what_is_called_complete_is_there(steps: list[str], seed: int) -> None:
    """r is a request, l one whose events are lost for ever, c empties the cache. Without l it is exact."""
    random, cache = Random(seed), Cache()
    feed, residency = followed()
    for step in steps:
        if step == "c":
            number, events = cache.clear()
        else:
            head = random.randrange(10)
            chain = [head * 6 + depth for depth in range(random.randint(1, 6))]
            found, number, events = cache.request(chain)
            feed.reused(found)
        if step == "l":
            continue
        if not feed.take(number, events):
            feed.skip_to(number)
            assert feed.take(number, events)
        assert feed.complete is not estimated(residency)
        if feed.complete:
            lost = "l" in steps
            # After a gap, only one of a block's two slots may be known, and that may be overwritten first.
            assert known(residency) <= cache.held if lost else known(residency) == cache.held


def test_a_gap_is_open_until_the_cache_has_turned_over() -> None:
    feed, residency = followed()
    feed.take(0, [BlocksStored((1, 2, 3))])
    feed.skip_to(5)
    assert estimated(residency)
    feed.reused([2])
    feed.take(5, [BlocksStored(tuple(range(20, 19 + CAPACITY)))])
    assert estimated(residency)
    feed.take(6, [BlocksStored((40,))])
    assert not estimated(residency)
    assert known(residency) == {2, *range(20, 19 + CAPACITY), 40}


def test_what_outlived_a_gap_is_known_again_when_a_request_finds_it() -> None:
    """The engine may keep documents for longer than the cache takes to turn over."""
    feed, residency = followed()
    feed.take(0, [BlocksStored((1, 2, 3))])
    feed.skip_to(5)
    feed.take(5, [BlocksStored(tuple(range(20, 20 + CAPACITY)))])
    assert feed.complete
    feed.reused([1, 2, 50])
    assert known(residency) == {1, 2, *range(20, 20 + CAPACITY)}
    feed.take(6, [BlocksRemoved((1, 3))])
    feed.reused([3])  # by a request that ran before the engine removed it
    assert known(residency) == {2, *range(20, 20 + CAPACITY)}


@given(st.lists(st.sampled_from("rrrrrrrrl"), max_size=90), st.integers(0, 2**32))
def test_requests_may_find_blocks_before_their_events_arrive(steps: list[str], seed: int) -> None:
    """Answers and events travel apart."""
    random, cache = Random(seed), Cache()
    feed, residency = followed()
    late: list[tuple[int, list[BlockEvent]]] = []
    for step in [*steps, "end"]:
        if step == "r":
            head = random.randrange(10)
            chain = [head * 6 + depth for depth in range(random.randint(1, 6))]
            found, number, events = cache.request(chain)
            late.append((number, events))
            feed.reused(found)
        elif step == "l":
            del late[:1]
        while late and (step == "end" or random.random() < 0.4):
            number, events = late.pop(0)
            if not feed.take(number, events):
                feed.skip_to(number)
                feed.take(number, events)
    if feed.complete and feed.next_number == cache.number:  # the loss of the last batch does not show
        assert known(residency) <= cache.held


def test_a_block_that_is_found_before_its_event_arrives_has_one_slot() -> None:
    feed, residency = followed()
    feed.skip_to(1)
    feed.reused([5])
    feed.take(1, [BlocksStored((5,)), BlocksRemoved((5,)), BlocksStored(tuple(range(20, 20 + CAPACITY)))])
    assert known(residency) == set(range(20, 20 + CAPACITY))


def test_a_block_that_was_found_before_its_removal_is_gone() -> None:
    feed, residency = followed()
    feed.skip_to(1)
    feed.take(1, [BlocksRemoved((5,))])
    feed.reused([5])
    feed.take(2, [BlocksStored(tuple(range(20, 20 + CAPACITY)))])
    assert known(residency) == set(range(20, 20 + CAPACITY))


def test_an_emptied_cache_closes_a_gap() -> None:
    feed, residency = followed()
    feed.take(0, [BlocksStored((1, 2, 3))])
    feed.skip_to(2)
    feed.take(2, [BlocksStored((4,)), CacheCleared(), BlocksStored((5,))])
    assert feed.complete
    assert known(residency) == {5}


def test_silence_ends_with_an_answer_that_there_is_no_more() -> None:
    feed, residency = followed()
    feed.take(0, [BlocksStored((1, 2))])
    feed.silent()
    assert estimated(residency)
    feed.caught_up()
    assert not estimated(residency)
    assert known(residency) == {1, 2}


def test_silence_ends_with_the_next_batch_and_a_gap_does_not() -> None:
    feed, residency = followed()
    feed.silent()
    feed.take(0, [BlocksStored((1,))])
    assert (feed.complete, known(residency)) == (True, {1})
    feed.silent()
    feed.skip_to(9)
    feed.caught_up()
    assert estimated(residency)


def test_a_batch_counts_once_and_in_its_order() -> None:
    feed, residency = followed()
    assert feed.take(0, [BlocksStored((1,))])
    assert feed.take(0, [BlocksRemoved((1,))])
    assert not feed.take(2, [BlocksRemoved((1,))])
    assert known(residency) == {1}
    assert feed.next_number == 1


@pytest.mark.parametrize(("removals", "left"), [(1, {1}), (2, set())])
def test_a_block_in_two_places_is_there_until_both_are_taken(removals: int, left: set[int]) -> None:
    feed, residency = followed()
    feed.take(0, [BlocksStored((1,)), BlocksStored((1,)), *[BlocksRemoved((1,))] * removals])
    assert known(residency) == left


def test_blocks_that_made_room_are_counted() -> None:
    """A cache that is cleared has evicted nothing."""
    cache, (feed, _) = Cache(), followed()
    for start in (0, 10, 20):
        _, number, events = cache.request(list(range(start, start + 10)))
        feed.take(number, events)
    assert feed.evicted_blocks == 18
    feed.take(*cache.clear())
    assert feed.evicted_blocks == 18
