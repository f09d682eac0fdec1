"""Decides when the Ingress asks agents to warm again: some time after a change of documents.

It does no warming itself and knows no engine; `deployments.engine.warming` does that, in other processes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from deployments.core.detached_task import detached_task
from deployments.core.errors import WarmlineError
from deployments.core.ids import CollectionName, Scope
from deployments.core.services import Agent

log = logging.getLogger(__name__)

GATHERED_S = 1.0
"""How long changes are gathered, so that several in a row are followed by one warming."""


class Rewarming:
    """Asks agents to warm what a change of documents has made cold. Belongs to one event loop."""

    def __init__(self, agents: Mapping[CollectionName, Agent], gathered_s: float = GATHERED_S) -> None:
        """`agents` has the agent that reads each collection; `gathered_s` is in seconds."""
        self._agents = agents
        self._gathered_s = gathered_s
        self._waiting: dict[Scope, asyncio.Task[None]] = {}

    def changed(self, scope: Scope, invalidated: int) -> None:
        """Schedules a warming after a change that left `invalidated` segments obsolete; without any, none."""
        if not invalidated or scope in self._waiting or scope.collection not in self._agents:
            return
        self._waiting[scope] = detached_task(self._warm(scope))

    async def _warm(self, scope: Scope) -> None:
        await asyncio.sleep(self._gathered_s)
        del self._waiting[scope]  # a change from now on schedules another warming
        try:
            warmed = await self._agents[scope.collection].warm(scope.tenant, ())
        except WarmlineError as error:
            log.warning("%s stays cold after a change: %s", scope, error)
            return
        log.info("%s is warm after a change: %s", scope, warmed)
