"""Times the stages of one request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeAlias

StageSpan: TypeAlias = "Callable[[str], AbstractContextManager[object]]"
"""Makes the context, given the stage's name, in which a stage runs: a span of the request's trace."""

_NO_SPAN = nullcontext()


def no_span(_stage: str) -> AbstractContextManager[object]:
    """The `StageSpan` of a request that is not traced."""
    return _NO_SPAN


class Stopwatch:
    """Times consecutive stages; `stages_ms` has the milliseconds of each."""

    def __init__(self, clock: Callable[[], float], before_s: float = 0.0, span: StageSpan = no_span) -> None:
        """`clock` gives monotonic seconds. The request arrived `before_s` seconds ago."""
        self._clock = clock
        self._start_s = self._stage_end_s = clock()
        self._start_s -= max(before_s, 0.0)
        self._span = span
        self.stages_ms: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Runs the block in a span, and adds the time since the end of the last stage to stage `name`."""
        with self._span(name):
            yield
        now = self._clock()
        self.stages_ms[name] = self.stages_ms.get(name, 0.0) + (now - self._stage_end_s) * 1000
        self._stage_end_s = now

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds since the request arrived."""
        return (self._clock() - self._start_s) * 1000
