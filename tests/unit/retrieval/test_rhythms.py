"""Intervals between uses and between changes, and the lifetimes that follow from them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.retrieval.rhythms import MIN_RETRIEVAL_TTL_S, Rhythm, Rhythms, retrieval_ttl_s
from tests.fakes import FakeClock

SCOPE = Scope(TenantId("acme"), CollectionName("kb"))
OTHER = Scope(TenantId("other"), CollectionName("kb"))

intervals = st.none() | st.floats(0, 1e9)
most = st.sampled_from([3600, 7200])


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_a_mean_lies_between_what_was_seen(intervals):
    rhythms = Rhythms(FakeClock())
    for interval in intervals:
        rhythms.reused(SCOPE, interval)
    reuse_s = rhythms.of(SCOPE).reuse_s
    assert reuse_s is not None
    assert min(intervals) <= reuse_s + 1e-6
    assert reuse_s <= max(intervals) + 1e-6


def test_intervals_between_changes_count_from_the_second_change_and_grow_while_none_comes():
    rhythms = Rhythms(clock := FakeClock())
    rhythms.changed(SCOPE)
    clock.pass_s(10)
    assert rhythms.of(SCOPE) == Rhythm()
    rhythms.changed(SCOPE)
    assert rhythms.of(SCOPE).update_s == pytest.approx(10)
    clock.pass_s(1000)
    assert rhythms.of(SCOPE).update_s == pytest.approx(1000)
    assert rhythms.of(OTHER) == Rhythm()


@given(most, intervals, intervals)
def test_a_retrieval_s_lifetime_stays_between_its_bounds(max_s, reuse_s, update_s):
    ttl_s = retrieval_ttl_s(Rhythm(reuse_s, update_s), max_s)
    assert MIN_RETRIEVAL_TTL_S <= ttl_s <= max_s


@given(most, st.floats(0, 1e6), st.floats(0, 1e6), intervals)
def test_what_is_asked_for_more_rarely_is_not_kept_shorter(max_s, one_s, other_s, update_s):
    less_s, more_s = sorted((one_s, other_s))
    often, rarely = (retrieval_ttl_s(Rhythm(reuse, update_s), max_s) for reuse in (less_s, more_s))
    assert often <= rarely <= retrieval_ttl_s(Rhythm(None, update_s), max_s)


@given(most, intervals, st.floats(0, 1e6), st.floats(0, 1e6))
def test_what_changes_more_often_is_not_kept_longer(max_s, reuse_s, one_s, other_s):
    less_s, more_s = sorted((one_s, other_s))
    often, rarely = (retrieval_ttl_s(Rhythm(reuse_s, update), max_s) for update in (less_s, more_s))
    assert often <= rarely <= retrieval_ttl_s(Rhythm(reuse_s), max_s)
    assert often <= max(less_s + 1, MIN_RETRIEVAL_TTL_S)


@pytest.mark.parametrize(
    ("reuse_s", "update_s", "ttl_s"),
    [(None, None, 3600), (100, None, 400), (100, 300, 300), (1, None, 60), (5000, 9000, 3600), (100, 1, 60)],
)
def test_a_retrieval_lives_for_some_reuses_or_until_the_next_update(reuse_s, update_s, ttl_s):
    assert retrieval_ttl_s(Rhythm(reuse_s, update_s), 3600) == ttl_s
