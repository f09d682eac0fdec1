"""Which requests are refused because they would miss their deadline."""

from __future__ import annotations

import re
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import Overloaded
from deployments.engine.admission import Admission
from tests.fakes import FakeClock

A, B = "tenant-a", "tenant-b"


def prefilled(admission: Admission, clock: FakeClock, tokens: int, seconds: float) -> None:
    with admission.waiting(A, tokens):
        clock.pass_s(seconds)
    admission.prefilled(tokens, seconds)


def test_no_request_is_refused_before_the_rate_is_known() -> None:
    admission = Admission(FakeClock())
    with admission.waiting(A, 10**9):
        admission.check(A, 10**9, 0.001)


def test_only_requests_that_would_wait_too_long_are_refused() -> None:
    clock = FakeClock()
    admission = Admission(clock)
    prefilled(admission, clock, 1000, 10.0)  # 100 tokens a second
    with admission.waiting(A, 500):
        admission.check(A, 249, deadline_s=10.0)
        with pytest.raises(Overloaded, match="try again later") as raised:
            admission.check(A, 251, deadline_s=10.0)
    assert not re.search(r"\d", raised.value.message), "it would tell how much others have waiting"


def test_a_tenant_does_not_wait_for_all_that_another_has_queued() -> None:
    """Only for as many tokens of each other tenant as of its own."""
    clock = FakeClock()
    admission = Admission(clock)
    prefilled(admission, clock, 1000, 10.0)  # 100 tokens a second
    with admission.waiting(B, 10**6), admission.waiting("tenant-c", 50):
        admission.check(A, 349, deadline_s=10.0)  # 349 + 349 + 50
        with pytest.raises(Overloaded):
            admission.check(A, 351, deadline_s=10.0)
        with pytest.raises(Overloaded):
            admission.check(B, 1, deadline_s=10.0)
    assert not admission.pending_tokens


def test_an_idle_engine_takes_whatever_comes() -> None:
    clock = FakeClock()
    admission = Admission(clock)
    prefilled(admission, clock, 1000, 10.0)
    admission.check(A, 10**6, deadline_s=1.0)


def test_queueing_and_aborted_requests_do_not_change_the_rate() -> None:
    clock = FakeClock()
    admission = Admission(clock)
    prefilled(admission, clock, 1000, 10.0)
    with admission.waiting(A, 10**6):
        clock.pass_s(20.0)
    with admission.waiting(A, 500):
        admission.check(A, 249, deadline_s=10.0)
        with pytest.raises(Overloaded):
            admission.check(A, 251, deadline_s=10.0)


def test_prompts_that_share_a_batch_share_its_time() -> None:
    clock = FakeClock()
    admission = Admission(clock)
    clock.pass_s(10.0)
    for _ in range(8):
        admission.prefilled(1000, 10.0)  # 800 tokens a second
    with admission.waiting(A, 4000):
        admission.check(A, 1999, deadline_s=10.0)
        with pytest.raises(Overloaded):
            admission.check(A, 2001, deadline_s=10.0)


def test_a_rate_that_nothing_confirms_is_forgotten() -> None:
    clock = FakeClock()
    admission = Admission(clock)
    prefilled(admission, clock, 1000, 100.0)
    clock.pass_s(31.0)
    with admission.waiting(A, 10**6):
        admission.check(A, 10**6, deadline_s=1.0)
    prefilled(admission, clock, 10_000, 10.0)  # the hundred seconds before count no more
    with admission.waiting(A, 1000):
        admission.check(A, 6000, deadline_s=10.0)


def test_the_number_of_waiting_tokens_can_be_corrected() -> None:
    admission = Admission(FakeClock())
    with admission.waiting(A, 1000) as correct, admission.waiting(A, 10):
        correct(40)
        assert admission.pending_tokens == 50
    assert admission.pending_tokens == 0


@pytest.mark.parametrize(("tokens_per_s", "admitted"), [(2000, 64), (410, 24)])
def test_as_many_concurrent_requests_are_admitted_as_can_be_answered(
    tokens_per_s: int, admitted: int
) -> None:
    """64 clients at once, each with a prompt of 1,500 tokens and two minutes."""
    clock = FakeClock()
    admission = Admission(clock)
    for _ in range(20):
        prefilled(admission, clock, 1500, 1500 / tokens_per_s)
    with ExitStack() as waiting:
        for number in range(64):
            try:
                admission.check(A, 1500, deadline_s=120.0)
            except Overloaded:
                assert number == admitted
                return
            waiting.enter_context(admission.waiting(A, 1500))
    assert admitted == 64


def test_the_rate_follows_an_engine_that_has_become_faster() -> None:
    clock = FakeClock()
    admission = Admission(clock)
    prefilled(admission, clock, 1000, 100.0)
    for _ in range(100):
        prefilled(admission, clock, 1000, 1.0)
    with admission.waiting(A, 1000):
        admission.check(A, 1000, deadline_s=10.0)


def test_short_prefills_do_not_change_the_rate() -> None:
    clock = FakeClock()
    admission = Admission(clock)
    prefilled(admission, clock, 1000, 10.0)
    for _ in range(1000):
        prefilled(admission, clock, 1, 0.1)
    with admission.waiting(A, 1):
        admission.check(A, 1000, deadline_s=20.0)


@given(
    st.lists(
        st.tuples(st.lists(st.integers(256, 4000), min_size=1, max_size=8), st.floats(0, 40)), max_size=20
    )
)
def test_the_rate_is_the_engines_however_prompts_are_batched(batches: list[tuple[list[int], float]]) -> None:
    """The engine takes 100 tokens a second, and is idle in between."""
    clock = FakeClock()
    admission = Admission(clock)
    for batch, idle_s in [*batches, ([1000], 0.0)]:
        took_s = sum(batch) / 100
        clock.pass_s(idle_s + took_s)
        for tokens in batch:
            admission.prefilled(tokens, took_s)
    with admission.waiting(A, 1000):
        admission.check(A, 490, deadline_s=20.0)
        with pytest.raises(Overloaded):
            admission.check(A, 510, deadline_s=20.0)


@given(st.lists(st.tuples(st.integers(0, 10**4), st.floats(0, 100))))
def test_nothing_waits_when_all_have_left(work: list[tuple[int, float]]) -> None:
    clock = FakeClock()
    admission = Admission(clock)
    for tokens, seconds in work:
        prefilled(admission, clock, tokens, seconds)
    assert admission.pending_tokens == 0
