"""A circuit breaker: while a server is down, requests fail at once instead of waiting for a timeout."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

from deployments.core.errors import CacheUnavailable

_log = logging.getLogger(__name__)


class BreakerState(Enum):
    """CLOSED lets calls through, OPEN refuses them, HALF_OPEN waits for the result of one probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker:
    """Opens after several failures in a row; later, one call probes while the others still fail.

    Belongs to one event loop: no method awaits, so none is interrupted half-way.
    """

    def __init__(
        self,
        *,
        failures: int = 3,
        open_s: float = 1.0,
        name: str = "the token cache",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`failures` in a row open the circuit.

        `open_s` seconds after it opened, one call may probe.
        `name` is what messages call the server.
        `clock` gives seconds.
        """
        self._allowed_failures = failures
        self._open_s = open_s
        self._name = name
        self._clock = clock
        self._failures = 0
        self._opened_at_s: float | None = None
        self._probe: object | None = None

    @property
    def state(self) -> BreakerState:
        """The state now. An open circuit whose time has passed stays open until the next call."""
        if self._opened_at_s is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._probe is None else BreakerState.HALF_OPEN

    @contextmanager
    def call(self) -> Iterator[None]:
        """Wraps one call. CacheUnavailable counts as a failure; any other exception counts as neither.

        Raises CacheUnavailable at once while the circuit is open.
        """
        this_call = object()
        self._admit(this_call)
        try:
            yield
        except CacheUnavailable as error:
            self._failed(error)
            raise
        except BaseException:
            if self._probe is this_call:
                self._probe = None
            raise
        self._succeeded()

    def _admit(self, call: object) -> None:
        if self._opened_at_s is None:
            return
        waited = self._clock() - self._opened_at_s >= self._open_s
        if self._probe is not None or not waited:
            raise CacheUnavailable(f"{self._name} failed a moment ago; no calls are made for now")
        self._probe = call

    def _failed(self, error: CacheUnavailable) -> None:
        self._failures += 1
        if self.state is BreakerState.CLOSED and self._failures >= self._allowed_failures:
            _log.warning("%s is switched off: %s: %s", self._name, error, error.__cause__)
            self._opened_at_s = self._clock()
        elif self.state is BreakerState.HALF_OPEN:
            self._opened_at_s, self._probe = self._clock(), None

    def _succeeded(self) -> None:
        if self._opened_at_s is not None:
            _log.info("%s is switched on again", self._name)
        self._failures, self._opened_at_s, self._probe = 0, None, None
