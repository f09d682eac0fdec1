"""What tenants use in this process only: the limits of each replica while Redis is down."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from deployments.core.ids import TenantId
from deployments.core.quotas import PLACES, RULES, WINDOWED, Claim, Decision, Quota, Used, resets_in_s

_MAX_TENANTS = 4096
"""Tenants that are counted; the least recently seen is forgotten first."""


@dataclass(slots=True)
class _Account:
    """One tenant's counts."""

    places: dict[Quota, dict[str, float]] = field(default_factory=lambda: {place: {} for place in PLACES})
    """By kind of place: claim -> Unix seconds at which its place is free again."""
    windows: dict[Quota, tuple[int, int]] = field(default_factory=dict)
    """Number of the window, and what was used in it."""

    def expire(self, now_s: float) -> None:
        """Frees places that nobody has released in time."""
        for place, held in self.places.items():
            self.places[place] = {claim: until_s for claim, until_s in held.items() if until_s > now_s}

    def used(self, quota: Quota, now_s: float) -> int:
        """What is used of a quota now."""
        if quota in PLACES:
            return len(self.places[quota])
        window, amount = self.windows.get(quota, (-1, 0))
        return amount if window == now_s // RULES[quota].window_s else 0

    def add(self, quota: Quota, amount: int, now_s: float) -> None:
        """Adds to a window."""
        window = int(now_s // RULES[quota].window_s)
        self.windows[quota] = (window, self.used(quota, now_s) + amount)


class LocalSpending:
    """Implements `Spending` for one event loop. A place that is not released is free after `hold_s` seconds.

    `clock` gives Unix seconds.
    """

    def __init__(self, hold_s: float, clock: Callable[[], float]) -> None:
        self._hold_s = hold_s
        self._clock = clock
        self._accounts: OrderedDict[TenantId, _Account] = OrderedDict()

    async def claim(self, claim: Claim) -> Decision:
        """Checks and adds a claim."""
        now_s, account = self._clock(), self._account(claim.tenant)
        running = len(account.places[Quota.REQUESTS_IN_FLIGHT])
        used = {quota: account.used(quota, now_s) + running * RULES[quota].reserved for quota in claim.adds}
        for quota, add in claim.adds.items():
            if used[quota] + max(add, RULES[quota].reserved, 1) > claim.limits[quota]:
                return Decision(_shown(used, now_s), quota)
        for quota, add in claim.adds.items():
            used[quota] += add + RULES[quota].reserved
            if add and quota in PLACES:
                account.places[quota][claim.claim_id] = now_s + self._hold_s
            elif add:
                account.add(quota, add, now_s)
        return Decision(_shown(used, now_s), None)

    async def release(self, claim: Claim) -> None:
        """Gives a claim's places back."""
        for held in self._account(claim.tenant).places.values():
            held.pop(claim.claim_id, None)

    async def spend(self, tenant: TenantId, amounts: Mapping[Quota, int]) -> None:
        """Adds to windows."""
        account, now_s = self._account(tenant), self._clock()
        for quota, amount in amounts.items():
            account.add(quota, amount, now_s)

    async def used(self, tenant: TenantId) -> Mapping[Quota, Used]:
        """What this process has counted."""
        account, now_s = self._account(tenant), self._clock()
        return _shown({quota: account.used(quota, now_s) for quota in (*PLACES, *WINDOWED)}, now_s)

    def _account(self, tenant: TenantId) -> _Account:
        account = self._accounts.setdefault(tenant, _Account())
        self._accounts.move_to_end(tenant)
        if len(self._accounts) > _MAX_TENANTS:
            self._accounts.popitem(last=False)
        account.expire(self._clock())
        return account


def _shown(used: Mapping[Quota, int], now_s: float) -> dict[Quota, Used]:
    return {quota: Used(amount, resets_in_s(RULES[quota].window_s, now_s)) for quota, amount in used.items()}
