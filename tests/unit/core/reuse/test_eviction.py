"""The order of eviction, while requests run at the same time."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.reuse.eviction import PROTECTED_SHARE, EvictionOrder

CAPACITY = 12
words = st.lists(st.integers(0, 2), min_size=1, max_size=6)
starts = st.tuples(words, st.integers(0, 6))
ends = st.integers(0, 5)


class Cache:
    """Running requests and their blocks. A block is the sequence that it ends, so its parent is known.

    What was evicted counts as something new when it comes back, so that `uses` says all that counts.
    """

    def __init__(self) -> None:
        self.evicted: Counter[int] = Counter()
        self.order = EvictionOrder(CAPACITY, lambda block: (block, self.evicted[block]))
        self.names: dict[int, tuple[int, ...]] = {}
        self.users: Counter[int] = Counter()
        self.uses: Counter[int] = Counter()
        self.running: list[tuple[list[int], int]] = []

    def start(self, word: list[int], documents: int) -> None:
        """Starts a request, if its blocks fit."""
        chain = [hash(tuple(word[: end + 1])) for end in range(len(word))]
        for block in chain:
            self.order.take(block)
        new = sum(block not in self.names for block in chain)
        spare = CAPACITY - len(self.names)
        if new - spare > len(self.order):
            for block in reversed(chain):
                if block in self.names and not self.users[block]:
                    self.order.put(block)
            return
        for _ in range(new - spare):
            self.evict()
        self.names |= {block: tuple(word[: end + 1]) for end, block in enumerate(chain)}
        self.users.update(chain)
        self.running.append((chain, documents))

    def evict(self) -> None:
        block = self.order.pop()
        assert not self.users[block], "a request uses it"
        name = self.names.pop(block)
        assert all(other[: len(name)] != name for other in self.names.values()), "another block continues it"
        del self.uses[block]
        self.evicted[block] += 1

    def end(self, index: int) -> None:
        if not self.running:
            return
        chain, documents = self.running.pop(index % len(self.running))
        for block in chain[:documents]:
            self.order.used(block)
            self.uses[block] += 1
        for block in reversed(chain):
            self.users[block] -= 1
            if not self.users[block]:
                self.order.put(block)


def played(steps: list[tuple[list[int], int] | int]) -> Cache:
    cache = Cache()
    for step in steps:
        if isinstance(step, int):
            cache.end(step)
        else:
            cache.start(*step)
    return cache


@given(st.lists(starts | ends, max_size=60))
def test_only_unused_blocks_leave_and_none_before_those_that_continue_it(steps) -> None:
    """`Cache.evict` checks each block that leaves. The count is exact at every time."""
    cache = played(steps)
    unused = {block for block in cache.names if not cache.users[block]}
    assert set(cache.order) == unused
    assert len(cache.order) == len(unused)
    assert all((block in cache.order) == (block in unused) for block in cache.names)
    left = list(cache.order)
    assert [cache.order.pop() for _ in left] == left
    with pytest.raises(KeyError):
        cache.order.pop()


@given(st.lists(starts | ends, max_size=60))
def test_what_is_no_document_leaves_first(steps) -> None:
    """Documents of one request leave before the protected share of those of several."""
    cache = played(steps)
    uses = [cache.uses[block] for block in cache.order]
    assert uses == sorted(uses, key=bool)
    protected = int(CAPACITY * PROTECTED_SHARE)
    assert all(count != 1 for count in uses[len(uses) - min(sum(count > 1 for count in uses), protected) :])


def test_documents_asked_for_again_outlive_any_number_of_new_ones() -> None:
    order = EvictionOrder(10)
    for _ in range(2):
        order.take(1)
        order.used(1)
        order.put(1)
    for block in range(100, 150):
        if len(order) == 10:
            order.pop()
        order.used(block)
        order.put(block)
    assert 1 in order


def test_the_oldest_protected_block_makes_room_for_another() -> None:
    """It then leaves after the documents that were used once so far."""
    order = EvictionOrder(6)
    order.used(9)
    order.put(9)
    for block in range(5):
        order.used(block)
        order.used(block)
        order.put(block)
    assert list(order) == [9, 0, 1, 2, 3, 4]
    order.take(0)
    order.used(0)
    order.put(0)
    assert list(order) == [9, 1, 2, 3, 4, 0]


@pytest.mark.parametrize(("evicted_since", "remembered"), [(0, True), (3, True), (4, False)])
def test_a_document_that_comes_back_counts_as_used_again(evicted_since: int, remembered: bool) -> None:
    """In any block, and until as many others were evicted as the cache holds."""
    content = {1: "document", 2: "document"}
    order = EvictionOrder(4, lambda block: content.get(block, block))
    for block in (1, *range(10, 10 + evicted_since)):
        order.used(block)
        order.put(block)
        assert order.pop() == block
    for block in (2, 3):
        order.used(block)
        order.put(block)
    assert list(order) == ([3, 2] if remembered else [2, 3])


def test_a_block_that_lost_its_content_starts_again() -> None:
    order = EvictionOrder(5)
    for block in (1, 2):
        order.used(block)
        order.used(block)
        order.put(block)
    order.forget(1)
    assert list(order) == [2]
    order.put(1)
    order.put(3)
    assert list(order) == [1, 3, 2]
    order.take(2)
    order.put_first(2)
    assert list(order) == [2, 1, 3]
