"""The policies that replays compare: each is a valid order of eviction, and none beats foresight."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.reuse.block_cache import BlockCacheModel
from tests.bench.workload.evictions import EVICTIONS, PolicyCache, S3Fifo, clairvoyant
from tests.bench.workload.generator import Habits, generate
from tests.bench.workload.one_cache import through_one_cache, with_foresight
from tests.bench.workload.prompts import Layout

CAPACITY = 12
requests = st.lists(
    st.tuples(st.lists(st.integers(0, 2), min_size=1, max_size=8), st.integers(0, 8)), max_size=40
)
TRACE = generate(5, Habits(requests=300, passages=200, topics=20))
LAYOUT = Layout(question_tokens=300, output_tokens=100)


def chain_of(word: list[int]) -> list[int]:
    """Block hashes of a sequence: equal only where all before is equal."""
    return [hash(tuple(word[: end + 1])) for end in range(len(word))]


@pytest.mark.parametrize("name", EVICTIONS)
@given(requests)
def test_every_policy_keeps_the_count(name, asked) -> None:
    """What is resident is what was stored and not evicted, and fits."""
    cache, resident = PolicyCache(CAPACITY, EVICTIONS[name]), set[int]()
    for word, documents in asked:
        chain = chain_of(word)
        done = cache.admit(chain, documents=documents)
        assert resident.isdisjoint(done.stored)
        resident = (resident | {*done.stored}) - {*done.evicted}
        assert len(cache) == len(resident) < CAPACITY
        assert all(block in cache for block in resident)
        assert resident.issuperset(chain)


def test_a_queue_whose_blocks_are_all_in_use_gives_way() -> None:
    """S3-FIFO prefers the small queue when it is too long, but cannot evict what requests use."""
    order = S3Fifo(10)
    for block in (1, 1, 2, 3):
        order.take(block)
        order.used(block)
        order.put(block)
    assert order.pop() == 2  # 1 moved to the main queue: it was used twice
    order.take(3)
    order.used(4)  # by a request that goes on
    assert order.pop() == 1
    with pytest.raises(KeyError):
        order.pop()


@given(requests)
def test_without_documents_the_applications_order_is_least_recently_used(asked) -> None:
    """The same blocks leave, in the same order."""
    model, reference = BlockCacheModel(CAPACITY), PolicyCache(CAPACITY, EVICTIONS["lru"])
    for word, documents in asked:
        assert model.admit(chain_of(word)) == reference.admit(chain_of(word), documents=documents)


@given(requests)
def test_nothing_finds_more_than_foresight(asked) -> None:
    """Of the same requests, in any of the other policies."""
    chains = [chain_of(word) for word, _ in asked]

    def hits(cache: PolicyCache) -> int:
        pairs = zip(chains, asked, strict=True)
        return sum(cache.admit(chain, documents=documents).hit_blocks for chain, (_, documents) in pairs)

    most = hits(PolicyCache(CAPACITY, clairvoyant(chains)))
    assert all(hits(PolicyCache(CAPACITY, eviction)) <= most for eviction in EVICTIONS.values())


def test_documents_find_more_in_a_small_cache() -> None:
    """Of the application's policy; foresight shows what is left to gain."""
    found = {
        name: through_one_cache(
            TRACE, "rank", trie=True, capacity_tokens=10_000, layout=LAYOUT, eviction=EVICTIONS[name]
        ).share
        for name in EVICTIONS
    }
    assert found["documents"] > 1.35 * found["lru"]
    assert found["documents"] >= max(found["tails first"], found["TinyLFU"])
    assert found["documents"] < with_foresight(TRACE, "rank", 10_000, LAYOUT)
