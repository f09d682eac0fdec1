"""Measures a request's TTFT and total time at the edge, and remembers what it failed with."""

from __future__ import annotations

import time
from dataclasses import replace

from deployments.core.ledger import STAGES, Answer, timings
from deployments.core.time_spent import TimeSpent


class EdgeClock:
    """A request's clock. It starts when it is made, which is when the request arrives."""

    def __init__(self) -> None:
        self.arrived_unix_s = time.time()
        """The start as Unix seconds, for clients to read."""
        self.error: str | None = None
        """The code of the error that the request ended with; None if it did not fail."""
        self._start_s = time.monotonic()
        self._first_token_ms: float | None = None

    def spent(self) -> TimeSpent:
        """The time until now, for the agent's replica, which counts on."""
        now_s = time.monotonic()
        return TimeSpent(now_s - self._start_s, now_s)

    def first_token(self) -> None:
        """Records the TTFT. Call it after each token that was sent; later calls change nothing."""
        if self._first_token_ms is None:
            self._first_token_ms = self._elapsed_ms()

    def stamp(self, answer: Answer) -> Answer:
        """The answer with the edge's `total` until now and, if it was streamed, the edge's `ttft`."""
        stages = {stage: answer.timings_ms[stage] for stage in STAGES}
        ttft_ms = self._first_token_ms or answer.timings_ms["ttft"]
        total_ms = self._elapsed_ms()
        stamped = timings(stages, ttft_ms, total_ms)
        return replace(answer, latency_ms=stamped["total"], timings_ms=stamped)

    def _elapsed_ms(self) -> float:
        return (time.monotonic() - self._start_s) * 1000
