"""Counts what tenants use: requests in the ingress, tokens in agents."""

from __future__ import annotations

import time

from deployments.access.local_spending import LocalSpending
from deployments.access.redis_spending import RedisSpending
from deployments.core.metrics import Meter
from deployments.core.quotas import Spending
from serve_app.assembly.redis import redis_link
from serve_app.settings import Settings
from serve_app.spending import ReplicaSpending

_GRACE_S = 60.0
"""How much longer than its deadline a request can hold its places: a body arrives before it."""


def ingress_spending(settings: Settings, meter: Meter) -> ReplicaSpending:
    """What an ingress replica counts with. Opens its connection to Redis at the first request."""
    hold_s = settings.request_timeout_s + _GRACE_S

    async def open_shared() -> Spending:
        return RedisSpending(await redis_link(settings, meter), hold_s)

    return ReplicaSpending(open_shared, LocalSpending(hold_s, time.time))
