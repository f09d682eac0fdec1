"""Times the stages of one request."""

from __future__ import annotations

from collections.abc import Callable


class Stopwatch:
    """Times consecutive stages; `stages_ms` has the milliseconds of each."""

    def __init__(self, clock: Callable[[], float], before_s: float = 0.0) -> None:
        """`clock` gives monotonic seconds. The request arrived `before_s` seconds ago."""
        self._clock = clock
        self._start_s = self._lap_s = clock()
        self._start_s -= max(before_s, 0.0)
        self.stages_ms: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Adds the time since the last lap to `stage`."""
        now = self._clock()
        self.stages_ms[stage] = self.stages_ms.get(stage, 0.0) + (now - self._lap_s) * 1000
        self._lap_s = now

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds since the request arrived."""
        return (self._clock() - self._start_s) * 1000
