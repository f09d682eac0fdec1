"""Lets a request in if its tenant's quotas have something left, and tells the client what is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from uuid import uuid4

from deployments.core.detached_task import detached_task
from deployments.core.errors import QuotaExceeded
from deployments.core.ids import TenantId
from deployments.core.quotas import PLACES, Claim, Decision, Quota, Spending
from serve_app.route_needs import claimed_quotas
from serve_app.stored_limits import StoredLimits

PLACE_RETRY_S = 1.0
"""`Retry-After` when all places are taken: one may be free at any time."""
_SHOWN = {
    "requests": (Quota.REQUESTS_PER_MINUTE,),
    "tokens": (Quota.PROMPT_TOKENS_PER_MINUTE, Quota.COMPLETION_TOKENS_PER_MINUTE),
}
"""OpenAI's names in headers, and which quotas they show: of several, the one with the least share left."""


class QuotaGate:
    """Claims what requests need. Costs a request one round trip to Redis."""

    def __init__(self, spending: Spending, limits: StoredLimits) -> None:
        self._spending = spending
        self._limits = limits
        self._releasing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def admitted(
        self, tenant: TenantId, method: str, path: str, headers: dict[str, str]
    ) -> AsyncIterator[None]:
        """Holds the request's places inside the context.

        Adds headers for the response to `headers`, also if it is refused. Raises QuotaExceeded.
        """
        await self._limits.ready()
        adds = claimed_quotas(method, path)
        limits = {quota: self._limits.limit(tenant, quota) for quota in adds}
        claim = Claim(tenant, uuid4().hex, adds, limits)
        decision = await self._spending.claim(claim)
        headers |= rate_limit_headers(claim.limits, decision)
        if decision.refused is not None:
            raise _exceeded(decision.refused, claim.limits, decision)
        try:
            yield
        finally:
            # The client need not wait until others know that its place is free.
            release = detached_task(self._spending.release(claim))
            self._releasing.add(release)
            release.add_done_callback(self._releasing.discard)


def _exceeded(quota: Quota, limits: Mapping[Quota, int], decision: Decision) -> QuotaExceeded:
    after_s = PLACE_RETRY_S if quota in PLACES else max(decision.used[quota].resets_in_s, PLACE_RETRY_S)
    message = (
        f"the quota {quota} is used up: its limit is {limits[quota]}, and this request needs more than is "
        f"left. Try again in {after_s:.0f} s, or ask the operator for a higher limit; GET /v1/quotas "
        "shows all limits"
    )
    return QuotaExceeded(message, quota.value, None, after_s)


def rate_limit_headers(limits: Mapping[Quota, int], decision: Decision) -> dict[str, str]:
    """OpenAI's headers: limit, what is left, and when the window ends, of requests and tokens."""
    headers = {}
    for name, quotas in _SHOWN.items():
        shown = [quota for quota in quotas if quota in decision.used]
        if not shown:
            continue
        left = {quota: max(limits[quota] - decision.used[quota].amount, 0) for quota in shown}
        scarcest = min(shown, key=lambda quota: left[quota] / max(limits[quota], 1))
        headers[f"x-ratelimit-limit-{name}"] = str(limits[scarcest])
        headers[f"x-ratelimit-remaining-{name}"] = str(left[scarcest])
        headers[f"x-ratelimit-reset-{name}"] = f"{decision.used[scarcest].resets_in_s:.3f}s"
    return headers
