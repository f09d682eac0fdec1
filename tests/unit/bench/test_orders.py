"""Reference orders against what they are meant to find."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.core.reuse.block_cache import BlockCacheModel
from tests.bench.workload import bounds
from tests.bench.workload.generator import Habits, generate
from tests.bench.workload.one_cache import through_one_cache
from tests.bench.workload.orders import RESTS, Earlier, longest_resident
from tests.bench.workload.prompts import Layout, Prompts

TOKENS = {document: 20 + 17 * document for document in range(7)}
sets = st.lists(st.integers(0, 6), min_size=1, max_size=4, unique=True)
TRACE = generate(5, Habits(requests=300, passages=400, topics=30))


@given(st.lists(sets, max_size=8), sets, st.integers(20, 60))
@settings(deadline=None)
def test_the_longest_path_is_the_best_of_all_orders(served, wanted, capacity):
    """As many leading blocks as the best permutation finds."""
    prompts, cache = Prompts(TOKENS, Layout(preamble_tokens=64)), BlockCacheModel(capacity)
    for nonce, documents in enumerate(served):
        cache.admit(prompts.prompt(documents, nonce).chain)

    def leading(order):
        chain = prompts.prompt(order, -1).chain
        return cache.leading(chain)

    path = longest_resident(prompts, cache, wanted)
    others = [document for document in wanted if document not in path]
    best = max(leading(order) for order in permutations(wanted))
    preamble = 2
    assert max(leading([*path, *others]), preamble) == max(best, preamble)


@pytest.mark.parametrize("rest", RESTS.values(), ids=RESTS)
@given(st.lists(sets, max_size=8), sets, st.integers(0, 3))
def test_a_rest_rule_keeps_all_documents_and_adds_none(rest, served, wanted, placed):
    """For any earlier requests."""
    earlier = Earlier()
    for documents in served:
        earlier.add(documents)
    assert sorted(rest(wanted[:placed], wanted[placed:], earlier)) == sorted(wanted[placed:])


@pytest.mark.parametrize("rest", ["company", "pairs"])
def test_company_goes_with_the_placed_document(rest):
    """The rule counts documents that came together with the placed one, not popular ones."""
    earlier = Earlier()
    for documents in [(1, 2), (1, 2), (3, 4), (3, 5), (3, 6)]:
        earlier.add(documents)
    assert RESTS[rest]([1], [3, 2], earlier) == [2, 3]
    assert RESTS["popularity"]([1], [3, 2], earlier) == [3, 2]


@pytest.mark.parametrize("trie", [False, True])
@pytest.mark.parametrize("capacity", [None, 20_000])
def test_a_replay_conserves_tokens(trie, capacity):
    """All document tokens count, found ones were asked for before, and less space finds no more."""
    reuse = through_one_cache(TRACE, "rank", trie=trie, capacity_tokens=capacity)
    assert reuse.document_tokens == sum(TRACE.tokens_of(ask.passages) for ask in TRACE.asks)
    assert 0 < reuse.share <= bounds.any_position(TRACE)
    assert reuse.share <= through_one_cache(TRACE, "rank", trie=trie).share
    prompt_tokens = reuse.document_tokens + len(TRACE.asks) * (512 + 30)
    assert 0 <= prompt_tokens - reuse.prefilled_tokens - reuse.found_tokens <= len(TRACE.asks) * 512


@pytest.mark.parametrize("best", ["first", "last"])
def test_with_the_best_fixed_more_is_found_than_in_rank_order_and_less_than_by_the_trie(best):
    """One document of each request is then left out of the shared prefix."""
    rank, trie, fixed = (
        through_one_cache(TRACE, "rank", trie=trie, best=best).share
        for trie, best in ((False, None), (True, None), (True, best))
    )
    assert rank < fixed < trie


def test_a_trie_finds_more_than_rank_and_no_more_than_one_earlier_prompt():
    """Prefilling in advance finds still more, and prefills more."""
    rank = through_one_cache(TRACE, "rank", trie=False)
    trie = through_one_cache(TRACE, "rank", trie=True)
    ahead = through_one_cache(TRACE, "rank", trie=True, ahead=True)
    assert rank.share < trie.share < ahead.share
    assert trie.share <= bounds.one_earlier_prompt(TRACE)
    assert ahead.prefilled_tokens > trie.prefilled_tokens
