"""Makes the Ingress ask agents to warm again, `GATHERED_S` after a change of documents.

The warming itself runs in other processes: see `deployments.engine.warming`.
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
"""Seconds from a change to the warming, so that several changes in a row cause one warming."""


class Rewarming:
    """Asks agents to prefill the prompts that a change of documents invalidated. For one event loop."""

    def __init__(self, agents: Mapping[CollectionName, Agent], gathered_s: float = GATHERED_S) -> None:
        """`agents` maps a collection to the agent that reads it. `gathered_s` replaces `GATHERED_S`."""
        self._agents = agents
        self._gathered_s = gathered_s
        self._waiting: dict[Scope, asyncio.Task[None]] = {}

    def changed(self, scope: Scope, invalidated: int) -> None:
        """Schedules a warming after a change that invalidated this number of segments; after 0, none."""
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
