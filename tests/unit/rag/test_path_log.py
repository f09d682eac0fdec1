"""Paths are counted off the request's path, and only as many as memory allows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from deployments.core.counted_use import HotPath
from deployments.core.errors import CacheUnavailable
from deployments.core.ids import CollectionName, Scope, SegmentKey, TenantId
from deployments.rag.path_log import MAX_WAITING, PathLog

SCOPE = Scope(TenantId("acme"), CollectionName("support_kb"))
A, B = SegmentKey("a" * 64), SegmentKey("b" * 64)


class Store:
    """A `HotPaths` that lists what it recorded, fails while `down` is set, and waits for `gate`."""

    def __init__(self) -> None:
        self.recorded: list[dict[Scope, list[tuple[SegmentKey, ...]]]] = []
        self.down = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def record(self, paths: Mapping[Scope, Sequence[tuple[SegmentKey, ...]]]) -> None:
        await self.gate.wait()
        if self.down:
            raise CacheUnavailable("down")
        self.recorded.append({scope: list(of_scope) for scope, of_scope in paths.items()})

    async def replace(self, scope: Scope, successors: Mapping[SegmentKey, SegmentKey]) -> None:
        raise NotImplementedError

    async def hottest(self, limit: int, tenant: TenantId | None = None) -> list[HotPath]:
        raise NotImplementedError


async def settle() -> None:
    await asyncio.sleep(0.02)


async def test_prompts_are_sent_together() -> None:
    store = Store()
    log = PathLog(store, send_every_s=0.001)
    log.add(SCOPE, (A, B))
    log.add(SCOPE, (B,))
    log.add(SCOPE, ())
    await settle()
    assert store.recorded == [{SCOPE: [(A, B), (B,)]}]


async def test_a_store_that_is_down_is_tried_with_the_next_ones() -> None:
    store = Store()
    store.down = True
    log = PathLog(store, send_every_s=0.001)
    log.add(SCOPE, (A,))
    await settle()
    store.down = False
    log.add(SCOPE, (B,))
    await settle()
    assert store.recorded == [{SCOPE: [(B,)]}]


async def test_what_comes_while_others_are_sent_is_sent_without_waiting_for_more() -> None:
    store = Store()
    store.gate.clear()
    log = PathLog(store, send_every_s=0.001)
    for keys in ((A,), (B,), (A, B)):
        log.add(SCOPE, keys)
        await settle()
    store.gate.set()
    await settle()
    assert store.recorded == [{SCOPE: [(A,)]}, {SCOPE: [(B,), (A, B)]}]


async def test_no_more_wait_than_memory_allows() -> None:
    store = Store()
    log = PathLog(store, send_every_s=0.001)
    for _ in range(MAX_WAITING + 10):
        log.add(SCOPE, (A,))
    await settle()
    assert len(store.recorded[0][SCOPE]) == MAX_WAITING
