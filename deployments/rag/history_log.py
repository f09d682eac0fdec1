"""Adds what an agent's answers reused to the shared history, off the request path."""

from __future__ import annotations

import logging
from collections import defaultdict

from deployments.core.cache_history import ReuseCounts
from deployments.core.errors import CacheUnavailable
from deployments.core.ids import Scope
from deployments.core.later import Later
from deployments.core.ledger import Answer
from deployments.core.messages import Question
from deployments.core.ports import HistoryWriter

log = logging.getLogger(__name__)

SEND_EVERY_S = 2.0
MAX_SCOPES = 1024
"""Scopes whose counts wait to be sent; answers of further ones are not counted."""


class HistoryLog:
    """The answers of one replica. What the store can't take is not counted. Belongs to one event loop."""

    def __init__(self, store: HistoryWriter, send_every_s: float = SEND_EVERY_S) -> None:
        self._store = store
        self._waiting: dict[Scope, ReuseCounts] = defaultdict(ReuseCounts)
        self._send = Later(self._send_all, send_every_s)

    def __call__(self, question: Question, answer: Answer) -> None:
        """Counts an answer."""
        scope = question.scope
        if scope in self._waiting or len(self._waiting) < MAX_SCOPES:
            self._waiting[scope] += ReuseCounts.of(answer)
            self._send.start()

    async def _send_all(self) -> bool:
        counts, self._waiting = self._waiting, defaultdict(ReuseCounts)
        try:
            await self._store.add(counts)
        except CacheUnavailable as error:
            log.debug("the history misses answers of %d scopes: %s", len(counts), error)
        return bool(self._waiting)
