"""A store and a TokenCache deployment that fail on request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from deployments.core.errors import CacheUnavailable, Unavailable
from deployments.core.ids import CollectionName, Scope, SegmentKey, TenantId
from deployments.core.token_ids import to_bytes
from tests.fakes import FakeEncoder
from tests.memory_stores import InMemorySegmentStore


class FakeStore(InMemorySegmentStore):
    """A `SegmentStore` that lists its calls and is down while `down` is set.

    `down_when`, if set, gets each method's name before the call and returns whether the store is down.
    """

    def __init__(self) -> None:
        super().__init__(clock=lambda: 0.0)
        self.down = False
        self.down_when: Callable[[str], bool] | None = None
        self.calls: list[str] = []
        self.ttls_s: list[int] = []

    async def get_many(self, scope: Scope, keys: Sequence[SegmentKey]) -> list[bytes | None]:
        await self._called("get_many")
        return await super().get_many(scope, keys)

    async def put_many(self, scope: Scope, values: Mapping[SegmentKey, bytes], ttl_s: int) -> None:
        await self._called("put_many")
        self.ttls_s.append(ttl_s)
        await super().put_many(scope, values, ttl_s)

    async def delete_many(self, scope: Scope, keys: Sequence[SegmentKey]) -> int:
        await self._called("delete_many")
        return await super().delete_many(scope, keys)

    async def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        await self._called("clear")
        return await super().clear(tenant, collection)

    async def _called(self, method: str) -> None:
        if self.down_when is not None:
            self.down = self.down_when(method)
        self.calls.append(method)
        await asyncio.sleep(0)
        if self.down:
            raise CacheUnavailable("the store is down")


class FakeTokenizer:
    """A `SegmentTokenizer` that lists its calls. It raises `fault` and returns `answer` where set."""

    def __init__(self, encoder: FakeEncoder) -> None:
        self._encoder = encoder
        self.calls: list[tuple[str, ...]] = []
        self.fault: Exception | None = None
        self.answer: list[bytes] | None = None

    def down(self) -> None:
        self.fault = Unavailable("TokenCache is down")

    async def tokenize(self, scope: Scope, texts: Sequence[str]) -> list[bytes]:
        self.calls.append(tuple(texts))
        await asyncio.sleep(0)
        if self.fault is not None:
            raise self.fault
        if self.answer is not None:
            return self.answer
        return [to_bytes(self._encoder.encode_text(text)) for text in texts]
