"""The model of an engine's prefix cache against a slow one that moves each block by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.reuse.block_cache import BlockCacheModel, reusable_blocks


class FreeQueue:
    """vLLM's free queue taken literally: places with a block's hash or blank; the first is taken next."""

    def __init__(self, capacity: int) -> None:
        self.places: list[int | None] = [None] * capacity

    def admit(self, chain, reusable, partial):
        hits = 0
        while hits < reusable and chain[hits] in self.places:
            hits += 1
        touched = [block for block in chain if block in self.places]
        for block in touched:
            self.places.remove(block)
        needed = len(chain) - len(touched) + partial
        taken, rest = self.places[:needed], self.places[needed:]
        blank: list[int | None] = [None] * partial
        self.places = [*blank, *rest, *reversed(chain)]
        evicted = [block for block in taken if block is not None]
        return hits, [block for block in chain if block not in touched], evicted


CAPACITY = 12
words = st.lists(st.integers(0, 2), max_size=CAPACITY - 1)
requests = st.lists(st.tuples(words, st.booleans(), st.booleans()), max_size=25)


def chain_of(word):
    """Block hashes of a sequence: equal only where all before is equal."""
    return [hash(tuple(word[: end + 1])) for end in range(len(word))]


@given(requests, st.integers(CAPACITY, 30))
def test_it_agrees_with_the_free_queue_taken_literally(asked, capacity):
    """Same hits, same blocks stored and evicted, in the same order."""
    model, slow = BlockCacheModel(capacity), FreeQueue(capacity)
    for word, partial, recomputes_last in asked:
        chain = chain_of(word)
        reusable = max(len(chain) - recomputes_last, 0)
        done = model.admit(chain, reusable, partial)
        assert (done.hit_blocks, [*done.stored], [*done.evicted]) == slow.admit(chain, reusable, partial)


@given(requests, st.integers(2, 20))
def test_what_is_resident_is_what_was_stored_and_not_evicted(asked, capacity):
    """Never above capacity, no block without its parents, and the reports add up."""
    model, resident = BlockCacheModel(capacity), set[int]()
    parent: dict[int, int] = {}
    for word, partial, _ in asked:
        chain = chain_of(word)
        parent.update(zip(chain[1:], chain, strict=False))
        done = model.admit(chain, partial=partial)
        assert resident.isdisjoint(done.stored)
        resident = (resident | {*done.stored}) - {*done.evicted}
        assert len(model) == len(resident) <= capacity - partial
        assert all(block in model for block in resident)
        assert all(parent[block] in resident for block in resident if block in parent)


@given(requests)
def test_without_a_limit_hits_are_the_longest_earlier_prefix(asked):
    """And nothing is ever evicted."""
    model, seen = BlockCacheModel(), set()
    for word, _, _ in asked:
        chain = chain_of(word)
        assert model.leading(chain) == sum(block in seen for block in chain)
        assert model.admit(chain).evicted == ()
        seen.update(chain)


def test_tails_are_evicted_before_heads_and_a_touched_head_stays():
    """The older prompt loses its last block first; being used again makes a prompt the youngest."""
    model = BlockCacheModel(6)
    model.admit([1, 2, 3], partial=False)
    model.admit([7, 8, 9], partial=False)
    assert model.admit([1, 2], partial=False).hit_blocks == 2
    assert model.admit([20, 21], partial=False).evicted == (3, 9)


def test_an_unfinished_block_takes_a_place_and_leaves_nothing():
    """The place is given up at the end, and taken again by the next request."""
    model = BlockCacheModel(3)
    model.admit([1, 2])
    assert model.admit([3]).evicted == (2,)
    assert 1 in model
    assert 3 in model


def test_what_does_not_fit_is_kept_as_far_as_it_fits():
    """An estimate of the capacity may be wrong; that is no reason to fail."""
    model = BlockCacheModel(4)
    model.admit([1, 2, 3, 4, 5, 6])
    assert model.leading([1, 2, 3, 4, 5, 6]) == 3


def test_blocks_known_to_be_gone_are_forgotten():
    """One by one, or all."""
    model = BlockCacheModel(8)
    model.admit([1, 2, 3])
    model.remove([3, 99])
    assert model.leading([1, 2, 3]) == 2
    model.clear()
    assert len(model) == 0


@pytest.mark.parametrize(("tokens", "blocks"), [(0, 0), (1, 0), (32, 0), (33, 1), (64, 1), (65, 2)])
def test_the_block_with_the_last_token_is_computed_again(tokens, blocks):
    """Its logits are needed."""
    assert reusable_blocks(tokens, 32) == blocks


def test_a_cache_of_one_block_is_refused():
    """It could hold no prompt."""
    with pytest.raises(ValueError, match="needs a block"):
        BlockCacheModel(1)
