"""Who may use what for how long: a knowledge base's record of the leases it has granted. Nothing waits here.

How each order of events ends, where a search reads generation 1 and a change makes it 2:

    search answered, then change                  a lease on 1 is on record, and the change waits for it
    search read 1, change announced, answered     no lease: the reading was told of 2
    search reads 2 while the change waits         a lease on 2, which nothing waits for
    an acknowledgement of 2 overtakes an answer   its holder uses 1 no more, whatever arrives later
    an acknowledgement or an answer is lost       the change waits until the lease has run out
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from deployments.core.ids import Scope
from deployments.core.leases import LEASE_S, HolderId

GRANTED_S = LEASE_S * 1.02
"""How long a lease counts here: the clocks of two machines may differ in pace."""

_SWEEP_S = 60.0


class Reading:
    """A search that is under way. `least` is the lowest generation that it may still be given a lease on."""

    def __init__(self) -> None:
        self.least = 0


class LeaseTable:
    """The leases of one process; `clock` gives seconds.

    A `predecessor` may have granted some as well, until this was made.
    """

    def __init__(self, clock: Callable[[], float], *, predecessor: bool) -> None:
        self._clock = clock
        self._predecessors_until_s = clock() + (GRANTED_S if predecessor else 0.0)
        self._granted: dict[Scope, dict[HolderId, dict[int, float]]] = {}
        self._readings: defaultdict[Scope, set[Reading]] = defaultdict(set)
        self._announced: dict[Scope, Counter[int]] = {}
        self._swept_s = clock()

    @contextmanager
    def reading(self, scope: Scope) -> Iterator[Reading]:
        """Around a search, from before it reads until it is answered."""
        reading = Reading()
        self._readings[scope].add(reading)
        try:
            yield reading
        finally:
            self._readings[scope].discard(reading)
            if not self._readings[scope]:
                del self._readings[scope]

    def grant(self, reading: Reading, scope: Scope, holder: HolderId, generation: int) -> bool:
        """A lease for a holder that is about to be answered; False where it gets none."""
        if generation < reading.least:
            return False
        now_s = self._clock()
        if now_s >= self._swept_s + _SWEEP_S:
            self._sweep(now_s)
        held = self._granted.setdefault(scope, {}).setdefault(holder, {})
        held[generation] = now_s + GRANTED_S
        return True

    def acknowledge(self, holder: HolderId, known: Mapping[Scope, int]) -> None:
        """A holder uses nothing older than this from now on."""
        for scope, generation in known.items():
            held = self._granted.get(scope, {}).get(holder, {})
            for older in [granted for granted in held if granted < generation]:
                del held[older]

    def announce(self, scope: Scope, generation: int) -> None:
        """A change has been committed; whoever made it waits until `withdraw`."""
        self._announced.setdefault(scope, Counter())[generation] += 1
        for reading in self._readings.get(scope, ()):
            reading.least = max(reading.least, generation)

    def withdraw(self, scope: Scope, generation: int) -> None:
        """The end of an `announce`."""
        waiting = self._announced[scope]
        waiting[generation] -= 1
        if not +waiting:
            del self._announced[scope]

    def behind(self, holder: HolderId) -> set[Scope]:
        """Where changes wait for a holder."""
        return {
            scope
            for scope, waiting in self._announced.items()
            if self._until_s(scope, holder, max(+waiting)) is not None
        }

    def wait_until_s(self, scope: Scope, generation: int) -> float | None:
        """When the last lease on what is older will have run out; None when there is none left."""
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
