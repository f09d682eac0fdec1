"""Counts how prompts begin, so that a new engine replica can prefill the most frequent beginnings."""

from __future__ import annotations

import logging
from collections import defaultdict

from deployments.core.errors import CacheUnavailable
from deployments.core.ids import Scope, SegmentKey
from deployments.core.later import Later
from deployments.core.ports import HotPaths

log = logging.getLogger(__name__)

SEND_EVERY_S = 1.0
MAX_WAITING = 1024
"""Prompts kept while the store is unavailable; further ones are not counted."""


class PathLog:
    """Collects prompts and sends them once a second, off the request path. Belongs to one event loop."""

    def __init__(self, store: HotPaths, send_every_s: float = SEND_EVERY_S) -> None:
        self._store = store
        self._waiting: dict[Scope, list[tuple[SegmentKey, ...]]] = defaultdict(list)
        self._send = Later(self._send_all, send_every_s)

    def add(self, scope: Scope, keys: tuple[SegmentKey, ...]) -> None:
        """Counts a prompt. `keys` are its documents' segments, in the prompt's order."""
        if not keys or sum(map(len, self._waiting.values())) >= MAX_WAITING:
            return
        self._waiting[scope].append(keys)
        self._send.start()

    async def _send_all(self) -> bool:
        paths, self._waiting = self._waiting, defaultdict(list)
        try:
            await self._store.record(paths)
        except CacheUnavailable as error:
            log.debug("%d prompts are not counted: %s", sum(map(len, paths.values())), error)
        return bool(self._waiting)
