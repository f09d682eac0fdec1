"""Intervals between uses, and between changes, as they were seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.retrievals import Rhythm
from deployments.retrieval.rhythms import Rhythms
from tests.fakes import FakeClock

SCOPE = Scope(TenantId("acme"), CollectionName("kb"))
OTHER = Scope(TenantId("other"), CollectionName("kb"))


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_a_mean_lies_between_what_was_seen(intervals):
    rhythms = Rhythms(FakeClock())
    for interval in intervals:
        rhythms.reused(SCOPE, interval)
    reuse_s = rhythms.of(SCOPE).reuse_s
    assert reuse_s is not None
    assert min(intervals) <= reuse_s + 1e-6
    assert reuse_s <= max(intervals) + 1e-6


def test_changes_count_from_the_second_on_and_a_change_that_does_not_come_counts_too():
    rhythms = Rhythms(clock := FakeClock())
    rhythms.changed(SCOPE)
    clock.pass_s(10)
    assert rhythms.of(SCOPE) == Rhythm()
    rhythms.changed(SCOPE)
    assert rhythms.of(SCOPE).update_s == pytest.approx(10)
    clock.pass_s(1000)
    assert rhythms.of(SCOPE).update_s == pytest.approx(1000)
    assert rhythms.of(OTHER) == Rhythm()
