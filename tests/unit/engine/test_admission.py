"""Who is refused because there would be no answer in time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import Overloaded
from deployments.engine.admission import Admission
from tests.fakes import FakeClock


def prefilled(admission: Admission, clock: FakeClock, tokens: int, seconds: float) -> None:
    with admission.waiting(tokens):
        clock.pass_s(seconds)


def test_nobody_is_refused_before_the_rate_is_known() -> None:
    admission = Admission(FakeClock())
    with admission.waiting(10**9):
        admission.check(10**9, 0.001)


def test_whoever_would_wait_too_long_is_refused_and_the_others_are_not() -> None:
    clock = FakeClock()
    admission = Admission(clock)
    prefilled(admission, clock, 1000, 10.0)  # 100 tokens a second
    with admission.waiting(500):
        admission.check(249, deadline_s=10.0)
        with pytest.raises(Overloaded, match="500 tokens wait"):
            admission.check(251, deadline_s=10.0)


def test_an_idle_engine_takes_whatever_comes() -> None:
    clock = FakeClock()
    admission = Admission(clock)
    prefilled(admission, clock, 1000, 10.0)
    admission.check(10**6, deadline_s=1.0)


def test_what_was_not_prefilled_makes_it_no_faster() -> None:
    clock = FakeClock()
    admission = Admission(clock)
    prefilled(admission, clock, 1000, 100.0)
    with pytest.raises(ValueError, match="gone"), admission.waiting(10**6):
        raise ValueError("gone")
    with admission.waiting(100), pytest.raises(Overloaded):
        admission.check(100, deadline_s=20.0)


def test_an_engine_that_has_become_faster_is_believed_in_the_end() -> None:
    clock = FakeClock()
    admission = Admission(clock)
    prefilled(admission, clock, 1000, 10000.0)
    for _ in range(100):
        prefilled(admission, clock, 1000, 1.0)
    with admission.waiting(1000):
        admission.check(1000, deadline_s=10.0)


def test_what_the_cache_leaves_of_prompts_says_nothing_of_the_rate() -> None:
    clock = FakeClock()
    admission = Admission(clock)
    prefilled(admission, clock, 1000, 10.0)
    for _ in range(1000):
        prefilled(admission, clock, 1, 0.1)
    with admission.waiting(1):
        admission.check(1000, deadline_s=20.0)


@given(st.lists(st.tuples(st.integers(0, 10**4), st.floats(0, 100))))
def test_nothing_waits_when_all_have_left(work: list[tuple[int, float]]) -> None:
    clock = FakeClock()
    admission = Admission(clock)
    for tokens, seconds in work:
        prefilled(admission, clock, tokens, seconds)
    assert admission.pending_tokens == 0
