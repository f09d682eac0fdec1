"""What the circuit breaker guarantees, for any order of events."""

import asyncio
from contextlib import AbstractContextManager

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from deployments.core.errors import CacheUnavailable
from deployments.redis.breaker import BreakerState, CircuitBreaker

FAILURES, OPEN_S = 3, 1.0


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def outcome(call: AbstractContextManager[None], error: BaseException | None) -> None:
    """Ends a call that was entered."""
    assert not call.__exit__(type(error) if error else None, error, None)


def enter(breaker: CircuitBreaker) -> AbstractContextManager[None] | None:
    """Starts a call; None when the breaker refused it."""
    call = breaker.call()
    try:
        call.__enter__()
    except CacheUnavailable:
        return None
    return call


class BreakerPromises(RuleBasedStateMachine):
    """Any number of concurrent calls, which end in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = CircuitBreaker(failures=FAILURES, open_s=OPEN_S, clock=self.clock)
        self.running: list[AbstractContextManager[None]] = []
        self.probe: AbstractContextManager[None] | None = None
        self.failures_in_a_row = 0
        self.opened_at_s: float | None = None

    @rule()
    def start(self) -> None:
        was_open = self.opened_at_s is not None
        call = enter(self.breaker)
        if not was_open:
            assert call is not None, "a closed circuit refuses nothing"
        elif self.probe is not None or self.clock.now_s - self.opened_at_s < OPEN_S:  # type: ignore[operator]
            assert call is None, "an open circuit lets one call through, and only after its time"
        else:
            assert call is not None, "after its time, one call finds out"
            self.probe = call
        if call is not None:
            self.running.append(call)

    def _end(self, data: st.DataObject, error: BaseException | None) -> bool:
        call = data.draw(st.sampled_from(self.running))
        self.running.remove(call)
        outcome(call, error)
        was_probe, self.probe = call is self.probe, None if call is self.probe else self.probe
        return was_probe

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        self._end(data, None)
        self.failures_in_a_row = 0
        self.opened_at_s = self.probe = None

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        half_open = self.probe is not None
        self._end(data, CacheUnavailable("down"))
        self.failures_in_a_row += 1
        if half_open or (self.opened_at_s is None and self.failures_in_a_row >= FAILURES):
            self.opened_at_s = self.clock.now_s
            self.probe = None

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self._end(data, asyncio.CancelledError())

    @rule(seconds=st.sampled_from([0.1, 0.5, OPEN_S, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now_s += seconds

    @invariant()
    def state_is_what_the_promises_say(self) -> None:
        expected = BreakerState.CLOSED
        if self.opened_at_s is not None:
            expected = BreakerState.OPEN if self.probe is None else BreakerState.HALF_OPEN
        assert self.breaker.state is expected


TestBreakerPromises = BreakerPromises.TestCase


def test_failures_that_are_not_in_a_row_do_not_open_the_circuit():
    breaker = CircuitBreaker(failures=2, clock=Clock())
    for error in [CacheUnavailable("down"), None] * 5:
        call = enter(breaker)
        assert call is not None
        outcome(call, error)
    assert breaker.state is BreakerState.CLOSED


def test_the_caller_sees_the_failure_itself():
    breaker = CircuitBreaker(clock=Clock())
    with pytest.raises(CacheUnavailable, match="down"), breaker.call():
        raise CacheUnavailable("down")


def test_after_a_cancelled_probe_the_next_call_probes():
    clock = Clock()
    breaker = CircuitBreaker(failures=1, open_s=OPEN_S, clock=clock)
    with pytest.raises(CacheUnavailable), breaker.call():
        raise CacheUnavailable("down")
    clock.now_s += OPEN_S
    with pytest.raises(asyncio.CancelledError), breaker.call():
        raise asyncio.CancelledError
    probe = enter(breaker)
    assert probe is not None
    assert enter(breaker) is None
    outcome(probe, None)
    assert breaker.state is BreakerState.CLOSED


def test_cancelling_a_probe_that_is_no_longer_the_probe_allows_no_second_probe():
    clock = Clock()
    breaker = CircuitBreaker(failures=1, open_s=OPEN_S, clock=clock)
    late, first = enter(breaker), enter(breaker)
    assert late is not None
    assert first is not None
    outcome(first, CacheUnavailable("down"))
    clock.now_s += OPEN_S
    overtaken = enter(breaker)
    outcome(late, CacheUnavailable("down"))
    clock.now_s += OPEN_S
    probe = enter(breaker)
    assert overtaken is not None
    assert probe is not None
    outcome(overtaken, asyncio.CancelledError())
    assert enter(breaker) is None
