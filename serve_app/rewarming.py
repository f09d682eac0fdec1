"""Makes the Ingress ask agents to warm again, shortly after a change of documents.

The warming itself runs in other processes: see `deployments.engine.warming`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from deployments.core.detached_task import detached_task
from deployments.core.errors import WarmlineError
from deployments.core.ids import CollectionName, Scope
from deployments.core.services import Agent

log = logging.getLogger(__name__)

MAX_WAITING = 1024
"""Scopes that may wait for a warming. After a change of another one, that one stays cold."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a process starts warmings. They share the engines with users' requests."""

    gathered_s: float = 1.0
    """Seconds from a change to the warming, so that several changes in a row cause one warming."""
    rest_s: float = 5.0
    """Seconds from the end of a scope's warming to the start of its next one."""
    within_s: float = 120.0
    """Seconds after which a warming that has not ended is given up, so that the others get their turn."""


class Rewarming:
    """Asks agents to prefill the prompts that a change of documents invalidated. For one event loop.

    One warming runs at a time. Any number of changes to a scope during its warming cause one more.
    """

    def __init__(self, agents: Mapping[CollectionName, Agent], pace: Pace | None = None) -> None:
        """`agents` maps a collection to the agent that reads it."""
        self._agents = agents
        self._pace = pace or Pace()
        self._due_s: dict[Scope, float] = {}
        """When a scope's next warming may start, by the event loop's clock."""
        self._rested_s: dict[Scope, float] = {}
        """When a scope's rest ends. Those that have ended are forgotten."""
        self._working: asyncio.Task[None] | None = None

    def changed(self, scope: Scope, invalidated: int) -> None:
        """Schedules a warming after a change that invalidated this number of segments; after 0, none."""
        if not invalidated or scope in self._due_s or scope.collection not in self._agents:
            return
        if len(self._due_s) >= MAX_WAITING:
            log.warning("%s stays cold after a change: %d warmings wait already", scope, MAX_WAITING)
            return
        self._due_s[scope] = _now() + self._pace.gathered_s
        if self._working is None or self._working.done():
            self._working = detached_task(self._work())

    async def _work(self) -> None:
        """Warms one scope after another, as long as any waits."""
        while self._due_s:
            self._rested_s = {scope: end_s for scope, end_s in self._rested_s.items() if end_s > _now()}
            scope = min(self._due_s, key=self._starts_s)
            wait_s = self._starts_s(scope) - _now()
            if wait_s > 0:
                # Not the whole rest: a change of another scope may be due before it ends.
                await asyncio.sleep(min(wait_s, self._pace.gathered_s))
                continue
            del self._due_s[scope]  # a change from now on schedules another warming
            await self._warm(scope)
            self._rested_s[scope] = _now() + self._pace.rest_s

    def _starts_s(self, scope: Scope) -> float:
        return max(self._due_s[scope], self._rested_s.get(scope, 0.0))

    async def _warm(self, scope: Scope) -> None:
        try:
            async with asyncio.timeout(self._pace.within_s):
                warmed = await self._agents[scope.collection].warm(scope.tenant, ())
        except (WarmlineError, TimeoutError) as error:
            log.warning("%s stays cold after a change: %r", scope, error)
            return
        log.info("%s is warm after a change: %s", scope, warmed)


def _now() -> float:
    return asyncio.get_running_loop().time()
