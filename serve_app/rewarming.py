"""Prefills anew what a change of documents has made cold, off the request's path."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Mapping

from deployments.core.errors import WarmlineError
from deployments.core.ids import CollectionName, Scope
from deployments.core.services import Agent

log = logging.getLogger(__name__)

GATHERED_S = 1.0
"""Changes that come one upon another are followed by one warming."""


class Rewarming:
    """`agents` are those that read a collection. Belongs to one event loop."""

    def __init__(self, agents: Mapping[CollectionName, Agent], gathered_s: float = GATHERED_S) -> None:
        self._agents = agents
        self._gathered_s = gathered_s
        self._waiting: dict[Scope, asyncio.Task[None]] = {}

    def changed(self, scope: Scope, invalidated: int) -> None:
        """Tells of a change; one that has left no segment obsolete has made nothing cold."""
        if not invalidated or scope in self._waiting or scope.collection not in self._agents:
            return
        # A context of its own: what a request started would end with it.
        warming = asyncio.get_running_loop().create_task(self._warm(scope), context=contextvars.Context())
        self._waiting[scope] = warming

    async def _warm(self, scope: Scope) -> None:
        await asyncio.sleep(self._gathered_s)
        del self._waiting[scope]  # what changes from now on is warmed again
        try:
            warmed = await self._agents[scope.collection].warm(scope.tenant, ())
        except WarmlineError as error:
            log.warning("%s stays cold after a change: %s", scope, error)
            return
        log.info("%s is warm after a change: %s", scope, warmed)
