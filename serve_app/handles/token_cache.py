"""Clients of the TokenCache deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.messages import TokenizerBundle
from serve_app.handles.errors import translated


class TokenCacheHandle:
    """Implements `SegmentTokenizer`, `SegmentWriter` and the API's `SharedCache`."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    async def bundle(self) -> TokenizerBundle:
        """The tokenizer that every replica uses."""
        with translated("the token cache"):
            found: TokenizerBundle = await self._handle.bundle.remote()
            return found

    async def tokenize(self, scope: Scope, texts: Sequence[str]) -> list[bytes]:
        """See `SegmentTokenizer`."""
        with translated("the token cache"):
            ids: list[bytes] = await self._handle.tokenize.remote(scope, list(texts))
            return ids

    async def write_through(self, scope: Scope, texts: Sequence[str]) -> int:
        """See `SegmentWriter`."""
        with translated("the token cache"):
            return int(await self._handle.write_through.remote(scope, list(texts)))

    async def invalidate(self, scope: Scope, texts: Sequence[str]) -> int:
        """See `SegmentWriter`."""
        with translated("the token cache"):
            return int(await self._handle.invalidate.remote(scope, list(texts)))

    async def discard(self, scope: Scope, texts: Sequence[str]) -> int:
        """See `SegmentWriter`."""
        with translated("the token cache"):
            return int(await self._handle.discard.remote(scope, list(texts)))

    async def replace(self, scope: Scope, successors: Mapping[str, str]) -> None:
        """See `SegmentWriter`."""
        with translated("the token cache"):
            await self._handle.replace.remote(scope, dict(successors))

    async def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """See `SharedCache`."""
        with translated("the token cache"):
            return int(await self._handle.clear.remote(tenant, collection))
