"""An event loop whose clock jumps to the next timer: hours of waiting pass in a moment, always alike."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

STEPS_AT_ONE_TIME = 200_000
"""So many rounds of the loop without a moment passing are an endless loop."""


class Deadlock(Exception):
    """No task can go on: all wait for something that no timer brings, or they run for ever in no time."""


class _Jumping(selectors.SelectSelector):
    """Waits for nothing. Instead of letting time pass, it moves the loop's clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self._rounds = 0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Deadlock("no task can run, and no timer is set")
        self._rounds = 0 if timeout > 0 else self._rounds + 1
        if self._rounds > STEPS_AT_ONE_TIME:
            raise Deadlock("tasks run for ever, and no time passes")
        self.now_s += timeout
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Has no sockets, processes or threads, only tasks and timers. `time()` starts at 0."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self._clock_resolution = 1e-6  # timers that are due within a microsecond run together

    def time(self) -> float:
        """Virtual seconds."""
        return self._jumping.now_s
