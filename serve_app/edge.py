"""When a request arrived at the edge, and when its first token and its last left."""

from __future__ import annotations

import time
from dataclasses import replace

from deployments.core.ledger import STAGES, Answer, timings


class EdgeClock:
    """Made when a request arrives. `arrived_unix_s` lets the agent count from there too."""

    def __init__(self) -> None:
        self.arrived_unix_s = time.time()
        self._start_s = time.perf_counter()
        self._first_token_ms: float | None = None

    def first_token(self) -> None:
        """Call after a token was sent; only the first call counts."""
        if self._first_token_ms is None:
            self._first_token_ms = self._elapsed_ms()

    def stamp(self, answer: Answer) -> Answer:
        """The answer with `total`, and `ttft` where it was streamed, as the edge saw them."""
        stages = {stage: answer.timings_ms[stage] for stage in STAGES}
        ttft_ms = self._first_token_ms or answer.timings_ms["ttft"]
        total_ms = self._elapsed_ms()
        stamped = timings(stages, ttft_ms, total_ms)
        return replace(answer, latency_ms=stamped["total"], timings_ms=stamped)

    def _elapsed_ms(self) -> float:
        return (time.perf_counter() - self._start_s) * 1000
