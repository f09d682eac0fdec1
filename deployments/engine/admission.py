"""Whether a prompt can have its first token in time, by what waits and by how fast that has gone so far.

A request that will miss its deadline is better refused at once: its caller can go elsewhere or come again,
and the engine works for those it can still serve. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deployments.core.errors import Overloaded

MAX_SHARE = 0.75
"""Of its time that a request may wait for its first token: the answer has to come, too."""
_LARGE_TOKENS = 256
"""Of shorter prompts, or what a cache leaves of long ones, prefill takes no time that tells its rate."""
_ENOUGH_S = 5.0
"""So long something must have been prefilled before the rate is believed."""
_REMEMBERED_S = 30.0
"""What counts for the rate: older work fades, since answers that are written beside slow prefill down."""


class Admission:
    """Tokens that wait to be prefilled, and how many a second were. `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since_s = 0.0
        self._busy_s = 0.0
        self._done_tokens = 0.0
        self._large = 0
        self.pending_tokens = 0

    def check(self, tokens: int, deadline_s: float) -> None:
        """For a prompt of so many tokens, to be answered within so many seconds. Raises: Overloaded."""
        self._tick()
        if self._busy_s < _ENOUGH_S or not self.pending_tokens or not self._done_tokens:
            return
        wait_s = (self.pending_tokens + tokens) * self._busy_s / self._done_tokens
        if wait_s > deadline_s * MAX_SHARE:
            raise Overloaded(
                f"{self.pending_tokens} tokens wait to be prefilled, about {wait_s:.0f} s; try again later"
            )

    @contextmanager
    def waiting(self, tokens: int) -> Iterator[None]:
        """While a prompt waits for its first token. Whoever fails or leaves has prefilled nothing."""
        large = tokens >= _LARGE_TOKENS
        self._tick()
        self.pending_tokens += tokens
        self._large += large
        try:
            yield
            self._done_tokens += tokens * large
        finally:
            self._tick()
            self.pending_tokens -= tokens
            self._large -= large

    def _tick(self) -> None:
        now_s = self._clock()
        if self._large:
            self._busy_s += now_s - self._since_s
        self._since_s = now_s
        if self._busy_s > _REMEMBERED_S:
            self._done_tokens *= _REMEMBERED_S / self._busy_s
            self._busy_s = _REMEMBERED_S
