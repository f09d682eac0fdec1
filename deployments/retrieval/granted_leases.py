"""The leases that a knowledge base has granted: which holder may use which generation until when.

Nothing here waits. How each order of events ends, where a search reads generation 1 and a change makes
it 2:

    search answered, then change                  the table has a lease on 1, and the change waits for it
    search read 1, change announced, answered     no lease: `announce` noted 2 in the reading
    search reads 2 while the change waits         a lease on 2, which no change waits for
    an acknowledgement of 2 overtakes an answer   its holder does not use 1 again, whatever arrives later
    an acknowledgement or an answer is lost       the change waits until the lease has run out
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

from deployments.core.ids import Scope
from deployments.core.leases import LEASE_S, HolderId

GRANTED_S = LEASE_S * 1.02
"""How long a lease lasts here: longer than for its holder, because two clocks may differ in speed."""

_SWEEP_S = 60.0


class Reading:
    """A search that is running."""

    def __init__(self) -> None:
        self.least = 0
        """The lowest generation on which the search may still get a lease."""


class LeaseTable:
    """The leases that one process has granted."""

    def __init__(self, clock: Callable[[], float], *, predecessor: bool) -> None:
        """`clock` gives seconds. `predecessor`: an earlier process may have granted leases."""
        self._clock = clock
        self._predecessors_until_s = clock() + (GRANTED_S if predecessor else 0.0)
        self._granted: dict[Scope, dict[HolderId, dict[int, float]]] = {}
        self._readings: defaultdict[Scope, set[Reading]] = defaultdict(set)
        self._announced: dict[Scope, Counter[int]] = {}
        self._swept_s = clock()

    @contextmanager
    def reading(self, scopes: Collection[Scope]) -> Iterator[Mapping[Scope, Reading]]:
        """Wraps a search, or a reading of states, from before it reads until its answer is returned."""
        readings = {scope: Reading() for scope in scopes}
        for scope, reading in readings.items():
            self._readings[scope].add(reading)
        try:
            yield readings
        finally:
            for scope, reading in readings.items():
                self._readings[scope].discard(reading)
                if not self._readings[scope]:
                    del self._readings[scope]

    def grant(self, reading: Reading, scope: Scope, holder: HolderId, generation: int) -> bool:
        """Records a lease for a holder whose call is about to be answered; False if it gets none."""
        if generation < reading.least:
            return False
        now_s = self._clock()
        if now_s >= self._swept_s + _SWEEP_S:
            self._sweep(now_s)
        held = self._granted.setdefault(scope, {}).setdefault(holder, {})
        held[generation] = now_s + GRANTED_S
        return True

    def acknowledge(self, holder: HolderId, known: Mapping[Scope, int]) -> None:
        """Records that a holder uses nothing older than these generations from now on."""
        for scope, generation in known.items():
            held = self._granted.get(scope, {}).get(holder, {})
            for older in [granted for granted in held if granted < generation]:
                del held[older]

    def announce(self, scope: Scope, generation: int) -> None:
        """Records that a change has been committed and waits for holders until `withdraw`."""
        self._announced.setdefault(scope, Counter())[generation] += 1
        for reading in self._readings.get(scope, ()):
            reading.least = max(reading.least, generation)

    def withdraw(self, scope: Scope, generation: int) -> None:
        """Records that a change waits no longer."""
        waiting = self._announced[scope]
        waiting[generation] -= 1
        if not +waiting:
            del self._announced[scope]

    def outdated(self, holder: HolderId) -> set[Scope]:
        """The scopes where a change waits for this holder."""
        return {
            scope
            for scope, waiting in self._announced.items()
            if self._until_s(scope, holder, max(+waiting)) is not None
        }

    def wait_until_s(self, scope: Scope, generation: int) -> float | None:
        """When the last lease on an older generation runs out; None if there is no such lease."""
        ends = [self._until_s(scope, holder, generation) for holder in self._granted.get(scope, ())]
        ends.append(self._predecessors_until_s)
        return max((end for end in ends if end is not None and end > self._clock()), default=None)

    def _until_s(self, scope: Scope, holder: HolderId, generation: int) -> float | None:
        held = self._granted.get(scope, {}).get(holder, {})
        end = max((end for granted, end in held.items() if granted < generation), default=None)
        return end if end is not None and end > self._clock() else None

    def _sweep(self, now_s: float) -> None:
        self._swept_s = now_s
        for scope, holders in list(self._granted.items()):
            for holder, held in list(holders.items()):
                if all(end <= now_s for end in held.values()):
                    del holders[holder]
            if not holders:
                del self._granted[scope]
