"""Whether a prompt can have its first token in time, by what waits and by how fast that has gone so far.

A request that will miss its deadline is better refused at once: its caller can go elsewhere or come again,
and the engine works for those it can still serve. Pure.
"""

from __future__ import annotations

import math
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
"""How much prefilling counts for the rate: older work fades. A rate that nothing has confirmed for as long is
none: the engine may have become faster, and refusing would keep that from being seen."""


class Admission:
    """Tokens that wait to be prefilled, and how many a second were. `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._measured_at_s = float("-inf")
        self._busy_s = 0.0
        self._done_tokens = 0.0
        self.pending_tokens = 0

    def check(self, tokens: int, deadline_s: float) -> None:
        """For so many tokens to prefill, to be answered within so many seconds. Raises: Overloaded."""
        rate = self._tokens_per_s()
        if rate is None or not self.pending_tokens:
            return
        wait_s = (self.pending_tokens + tokens) / rate
        if wait_s > deadline_s * MAX_SHARE:
            raise Overloaded(
                f"{self.pending_tokens} tokens wait to be prefilled, about {wait_s:.0f} s; try again later"
            )

    @contextmanager
    def waiting(self, tokens: int) -> Iterator[Callable[[int], None]]:
        """While a prompt waits for its first token. What this gives is told of another count."""

        def instead(known: int) -> None:
            nonlocal tokens
            self.pending_tokens += known - tokens
            tokens = known

        self.pending_tokens += tokens
        try:
            yield instead
        finally:
            self.pending_tokens -= tokens

    def prefilled(self, tokens: int, took_s: float) -> None:
        """So many tokens were prefilled from `took_s` ago until now, which others may have been beside them.

        Time is counted once, however many prompts share it. What a prompt waits before is no prefilling, nor
        is what became of one whose caller has gone.
        """
        if tokens < _LARGE_TOKENS:
            return
        now_s = self._clock()
        new_s = min(took_s, now_s - self._measured_at_s)
        kept = 0.0 if self._is_forgotten() else math.exp(-new_s / _REMEMBERED_S)
        self._busy_s = self._busy_s * kept + new_s
        self._done_tokens = self._done_tokens * kept + tokens
        self._measured_at_s = now_s

    def _tokens_per_s(self) -> float | None:
        if self._busy_s < _ENOUGH_S or self._is_forgotten():
            return None
        return self._done_tokens / self._busy_s

    def _is_forgotten(self) -> bool:
        return self._clock() - self._measured_at_s > _REMEMBERED_S
