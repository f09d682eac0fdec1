"""The leases that this process holds. Nothing waits here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deployments.core.ids import Scope
from deployments.core.leases import LEASE_S, Lease

KEPT_SCOPES = 1000
"""Of so many scopes, those asked about last, leases are held."""


@dataclass(slots=True)
class _Held:
    generation: int
    state: str
    until_s: float
    learnt_s: float  # when the generation was first heard of
    used_s: float


class HeldLeases:
    """Leases by scope; `clock` gives seconds.

    A generation that was once heard of is never undercut by an answer that comes late: whoever acknowledged
    it has promised so. That is forgotten only when every call made before has lost its time as well, so that
    a database replaced by an older one is believed in the end.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._held: dict[Scope, _Held] = {}

    def state(self, scope: Scope) -> str | None:
        """The state that a scope is in at this moment, for certain; None when there is no saying."""
        held = self._held.get(scope)
        if held is None:
            return None
        held.used_s = self._clock()
        return held.state if held.used_s < held.until_s else None

    def accept(self, scope: Scope, lease: Lease, sent_s: float) -> bool:
        """Takes what a call sent at `sent_s` brought; True when it told of another state than was known."""
        now_s = self._clock()
        held = self._held.get(scope)
        until_s = sent_s + lease.lease_s
        if held is not None and lease.generation < held.generation:
            is_replaced = now_s >= held.learnt_s + LEASE_S and now_s < until_s
            if not is_replaced:
                return False
        if held is not None and (held.generation, held.state) == (lease.generation, lease.state):
            held.until_s = max(held.until_s, until_s)
            return False
        used_s = now_s if held is None else held.used_s
        self._held[scope] = _Held(lease.generation, lease.state, until_s, now_s, used_s)
        self._forget(now_s)
        return held is not None

    def known(self, used_within_s: float) -> dict[Scope, int]:
        """Generations of the scopes that were asked about lately."""
        since_s = self._clock() - used_within_s
        return {scope: held.generation for scope, held in self._held.items() if held.used_s >= since_s}

    def _forget(self, now_s: float) -> None:
        """The scopes that were not asked about for longest, where nothing depends on them any more."""
        if len(self._held) <= KEPT_SCOPES:
            return
        for scope, held in sorted(self._held.items(), key=lambda item: item[1].used_s):
            if len(self._held) <= KEPT_SCOPES:
                return
            if now_s >= max(held.until_s, held.learnt_s + LEASE_S):
                del self._held[scope]
