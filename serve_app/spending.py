"""What tenants use now: counted in Redis for all replicas, or while Redis is down by each for itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from deployments.core.errors import CacheUnavailable, ConfigurationError
from deployments.core.ids import TenantId
from deployments.core.quotas import Claim, Decision, Quota, Spending, Used

log = logging.getLogger(__name__)

T = TypeVar("T")


class ReplicaSpending:
    """A `Spending` that never fails. Calls `open_shared` at its first use, because a replica is built
    outside of the event loop.
    """

    def __init__(self, open_shared: Callable[[], Awaitable[Spending]], local: Spending) -> None:
        self._open_shared = open_shared
        self._opening = asyncio.Lock()
        self._shared: Spending | None = None
        self._local = local

    async def claim(self, claim: Claim) -> Decision:
        """Checks all quotas of a claim and adds it to them, or to none of them."""
        return await self._either(lambda spending: spending.claim(claim))

    async def release(self, claim: Claim) -> None:
        """Gives a claim's places back, wherever they are held."""
        await self._local.release(claim)
        try:
            await (await self._opened()).release(claim)
        except CacheUnavailable as error:
            log.debug("places become free when they expire: %s", error)

    async def spend(self, tenant: TenantId, amounts: Mapping[Quota, int]) -> None:
        """Adds to windows."""
        await self._either(lambda spending: spending.spend(tenant, amounts))

    async def used(self, tenant: TenantId) -> Mapping[Quota, Used]:
        """What a tenant has used."""
        return await self._either(lambda spending: spending.used(tenant))

    async def _either(self, call: Callable[[Spending], Awaitable[T]]) -> T:
        try:
            return await call(await self._opened())
        except CacheUnavailable as error:
            log.debug("quotas are counted in this replica only: %s", error)
            return await call(self._local)

    async def _opened(self) -> Spending:
        if self._shared is None:
            async with self._opening:
                if self._shared is None:
                    self._shared = await self._open()
        return self._shared

    async def _open(self) -> Spending:
        try:
            return await self._open_shared()
        except ConfigurationError as error:
            raise CacheUnavailable("Redis can't be used") from error
