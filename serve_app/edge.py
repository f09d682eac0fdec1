"""Measures a request's TTFT and total time at the edge."""

from __future__ import annotations

import time
from dataclasses import replace

from deployments.core.ledger import STAGES, Answer, timings


class EdgeClock:
    """A request's clock. It starts when it is made, which is when the request arrives."""

    def __init__(self) -> None:
        self.arrived_unix_s = time.time()
        """The start as Unix seconds, from which the agent's replica counts too."""
        self._start_s = time.perf_counter()
        self._first_token_ms: float | None = None

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
        return (time.perf_counter() - self._start_s) * 1000
