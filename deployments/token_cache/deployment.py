"""The TokenCache deployment: a thin shell over `TokenCacheService`. The wiring decorates it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from deployments.core import process_memory
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.messages import CacheUsage, TokenizerBundle
from deployments.token_cache.service import TokenCacheService


class TokenCache:
    """`build` makes the service inside the replica: loop, connections and tokenizer belong to it."""

    async def __init__(  # type: ignore[misc]  # Serve awaits constructors
        self, build: Callable[[], Awaitable[TokenCacheService]]
    ) -> None:
        self._service = await build()
        process_memory.give_back()

    async def bundle(self) -> TokenizerBundle:
        """What a replica needs to tokenize as all others do."""
        return self._service.bundle

    async def tokenize(self, scope: Scope, texts: Sequence[str]) -> list[bytes]:
        """See `core.ports.SegmentTokenizer`."""
        return await self._service.tokenize(scope, texts)

    async def write_through(self, scope: Scope, texts: Sequence[str]) -> int:
        """Stores the ids of texts before they are first asked for; returns how many ids."""
        return await self._service.write_through(scope, texts)

    async def invalidate(self, scope: Scope, texts: Sequence[str]) -> int:
        """Deletes the segments of texts; returns how many there were."""
        return await self._service.invalidate(scope, texts)

    async def discard(self, scope: Scope, texts: Sequence[str]) -> int:
        """Deletes the segments of texts; returns the exact count. Raises CacheUnavailable."""
        return await self._service.discard(scope, texts)

    async def replace(self, scope: Scope, successors: Mapping[str, str]) -> None:
        """Tells which segment, by its text, has taken another's place."""
        await self._service.replace(scope, successors)

    async def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Deletes a tenant's segments; returns the exact count. Raises CacheUnavailable."""
        return await self._service.clear(tenant, collection)

    async def usage(self, scope: Scope) -> CacheUsage:
        """What a scope's segments occupy now. Raises CacheUnavailable."""
        return await self._service.usage(scope)

    async def check_health(self) -> None:
        """Serve replaces the replica when this raises. A store that is down is no reason to."""
        await self._service.check_health()
