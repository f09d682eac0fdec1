"""Document orders: always a permutation, the same for the same documents, and steady."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.ids import SegmentKey
from deployments.core.reuse.ordering import ORDERS, Candidate, by_popularity, by_rank

candidates = st.lists(
    st.builds(
        Candidate,
        key=st.integers(0, 10**6).map(lambda number: SegmentKey(f"{number:08x}")),
        tokens=st.integers(1, 400),
        uses=st.one_of(st.integers(0, 20), st.integers(0, 10**5)),
    ),
    max_size=12,
    unique_by=lambda candidate: candidate.key,
)


def keys(found, order):
    return [found[i].key for i in order]


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@given(found=candidates)
def test_every_sorting_returns_a_permutation(order, found):
    """No document is lost, doubled or invented."""
    assert sorted(order.sorting(found)) == list(range(len(found)))


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_equal_segments_are_each_placed_once(order):
    """Two chunks of the same text have the same key and both stay in the prompt."""
    same = Candidate(SegmentKey("aa"), 10, 3)
    assert sorted(order.sorting([same, Candidate(SegmentKey("bb"), 10, 0), same])) == [0, 1, 2]


@given(candidates)
def test_rank_keeps_the_order_of_retrieval(found):
    """By rank nothing moves."""
    assert by_rank(found) == list(range(len(found)))


@given(candidates, st.randoms(use_true_random=False))
def test_popularity_does_not_depend_on_rank(found, random):
    """The same documents found in another order come out in the same order: that is what gets reused."""
    shuffled = random.sample(found, len(found))
    assert keys(shuffled, by_popularity(shuffled)) == keys(found, by_popularity(found))


@given(candidates)
def test_more_used_documents_come_first(found):
    """Documents that many requests share lead."""
    uses = [found[i].uses for i in by_popularity(found)]
    assert uses == sorted(uses, reverse=True)


@given(candidates, st.integers(1, 10**6))
def test_a_question_that_repeats_keeps_its_order(found, times):
    """Each repetition adds a use to all its documents, whatever they had: the order stays, for good."""
    again = [Candidate(c.key, c.tokens, c.uses + times) for c in found]
    assert by_popularity(again) == by_popularity(found)
