"""Decides whether a prompt can have its first token in time, from the queue and the prefill rate so far.

Tenants share the engine by tokens, so a prompt waits for the tokens of its own tenant and, of each other
tenant, for at most as many.

A request that would miss its deadline is better refused at once: its caller can try elsewhere or later,
and the engine works for requests that it can still answer. Pure.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deployments.core.errors import Overloaded

MAX_SHARE = 0.75
"""Share of a request's deadline that it may wait for its first token: the rest is for the answer."""
_MIN_MEASURED_TOKENS = 256
"""Prefills of fewer tokens are not measured: their time is too short to tell the rate."""
_MIN_BUSY_S = 5.0
"""How many seconds of prefill must have been measured before the rate is used."""
_MEMORY_S = 30.0
"""Time constant with which older measurements fade. After this long without one there is no rate: the
engine may have become faster, and refusals would keep that from being measured."""


class Admission:
    """Counts the tokens that wait for prefill, and measures the prefill rate."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds."""
        self._clock = clock
        self._measured_at_s = float("-inf")
        self._busy_s = 0.0
        self._done_tokens = 0.0
        self._pending: Counter[str] = Counter()

    @property
    def pending_tokens(self) -> int:
        """Tokens of all tenants that wait."""
        return self._pending.total()

    def check(self, tenant: str, tokens: int, deadline_s: float) -> None:
        """Raises Overloaded if a request with `tokens` to prefill would get its first token too late.

        Too late is after `MAX_SHARE` of `deadline_s`, which counts from now. Admits every request while the
        rate is unknown or nothing waits.
        """
        rate = self.tokens_per_s
        if rate is None or not self._pending:
            return
        own = self._pending[tenant] + tokens
        others = sum(min(waits, own) for name, waits in self._pending.items() if name != tenant)
        wait_s = (own + others) / rate
        if wait_s > deadline_s * MAX_SHARE:
            # The message omits how much waits: that is other tenants' work.
            raise Overloaded(
                "the prompt can't be computed within the request's deadline; try again later, or with a "
                "longer deadline"
            )

    @contextmanager
    def waiting(self, tenant: str, tokens: int) -> Iterator[Callable[[int], None]]:
        """Counts `tokens` as pending inside the block. Yields a function that corrects their number."""

        def correct(actual: int) -> None:
            nonlocal tokens
            self._pending[tenant] += actual - tokens
            tokens = actual

        self._pending[tenant] += tokens
        try:
            yield correct
        finally:
            self._pending[tenant] -= tokens
            if not self._pending[tenant]:
                del self._pending[tenant]

    def prefilled(self, tokens: int, took_s: float) -> None:
        """Records a prefill of `tokens` that took `took_s` and ends now.

        Overlapping prefills count their common time once. Queueing time and aborted requests are not
        counted.
        """
        if tokens < _MIN_MEASURED_TOKENS:
            return
        now_s = self._clock()
        new_s = min(took_s, now_s - self._measured_at_s)
        kept = 0.0 if self._is_outdated() else math.exp(-new_s / _MEMORY_S)
        self._busy_s = self._busy_s * kept + new_s
        self._done_tokens = self._done_tokens * kept + tokens
        self._measured_at_s = now_s

    @property
    def tokens_per_s(self) -> float | None:
        """The measured prefill rate; None while it is unknown."""
        if self._busy_s < _MIN_BUSY_S or self._is_outdated():
            return None
        return self._done_tokens / self._busy_s

    def _is_outdated(self) -> bool:
        return self._clock() - self._measured_at_s > _MEMORY_S
