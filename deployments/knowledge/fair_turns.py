"""Tenants take turns in a few slots."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deployments.core.ids import TenantId


class FairTurns:
    """Gives each tenant at most `each` of `slots` at a time. Belongs to one event loop.

    Tenants that wait get a slot in turn, however many calls of one of them wait.
    """

    def __init__(self, slots: int, each: int = 1) -> None:
        self._free = slots
        self._each = each
        self._served: Counter[TenantId] = Counter()
        """How many slots each tenant has."""
        self._waiting: dict[TenantId, deque[asyncio.Future[None]]] = {}
        """The calls that wait. The tenant whose turn is next comes first."""

    @asynccontextmanager
    async def turn(self, tenant: TenantId) -> AsyncIterator[None]:
        """Waits for a slot and holds it inside the context."""
        granted = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(granted)
        self._grant()
        try:
            await granted
            yield
        finally:
            # A slot may be granted in the moment in which the caller is cancelled.
            if granted.done() and not granted.cancelled():
                self._free += 1
                self._served -= Counter([tenant])
                if tenant in self._waiting:  # after all other tenants
                    self._waiting[tenant] = self._waiting.pop(tenant)
            self._grant()

    def _grant(self) -> None:
        while self._free and (tenant := self._next()) is not None:
            granted = self._waiting[tenant].popleft()
            if not self._waiting[tenant]:
                del self._waiting[tenant]
            if not granted.cancelled():
                granted.set_result(None)
                self._free -= 1
                self._served[tenant] += 1

    def _next(self) -> TenantId | None:
        return next((tenant for tenant in self._waiting if self._served[tenant] < self._each), None)
