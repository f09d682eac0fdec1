"""Counts how prompts begin, so that a new engine replica can prefill the most frequent beginnings."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict

from deployments.core.detached_task import detached_task
from deployments.core.errors import CacheUnavailable
from deployments.core.ids import Scope, SegmentKey
from deployments.core.ports import HotPaths

log = logging.getLogger(__name__)

SEND_EVERY_S = 1.0
MAX_WAITING = 1024
"""Prompts kept while the store is unavailable; further ones are not counted."""


class PathLog:
    """Collects prompts and sends them once a second, off the request path. Belongs to one event loop."""

    def __init__(self, store: HotPaths, send_every_s: float = SEND_EVERY_S) -> None:
        self._store = store
        self._send_every_s = send_every_s
        self._waiting: dict[Scope, list[tuple[SegmentKey, ...]]] = defaultdict(list)
        self._sending: asyncio.Task[None] | None = None

    def add(self, scope: Scope, keys: tuple[SegmentKey, ...]) -> None:
        """Counts a prompt. `keys` are its documents' segments, in the prompt's order."""
        if not keys or sum(map(len, self._waiting.values())) >= MAX_WAITING:
            return
        self._waiting[scope].append(keys)
        if self._sending is None or self._sending.done():
            self._sending = detached_task(self._send())

    async def _send(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._send_every_s)
            paths, self._waiting = self._waiting, defaultdict(list)
            try:
                await self._store.record(paths)
            except CacheUnavailable as error:
                log.debug("%d prompts are not counted: %s", sum(map(len, paths.values())), error)
