"""Background work of the database: what is unfinished, and the deletion of what is too old."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from deployments.core.errors import WarmlineError
from deployments.database.connection import Database

log = logging.getLogger(__name__)

EVERY_S = 60.0
"""How often unfinished erasures are looked for."""
PRUNE_EVERY_S = 3600.0
BATCH = 200
"""Rows that one transaction deletes. Others get the database in between."""
LOCK = "upkeep: prune"
"""The lock that one replica holds while it prunes."""

Prune = Callable[[int], Awaitable[int]]
"""Deletes at most so many things that are too old; returns how many it found."""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Runs in each process that uses the database."""

    database: Database
    resume: Callable[[], Awaitable[None]]
    """Goes on with what is unfinished: erasures, and rows of a former version."""
    prunings: Mapping[str, Prune]
    """By what they delete."""

    async def run(self) -> None:
        """Works until it is cancelled. Logs failures and goes on."""
        rounds_until_pruning = 1
        while True:
            await asyncio.sleep(EVERY_S)
            await _tolerated(self.resume)
            rounds_until_pruning -= 1
            if not rounds_until_pruning:
                await _tolerated(self.prune)
                rounds_until_pruning = round(PRUNE_EVERY_S / EVERY_S)

    async def prune(self) -> None:
        """Deletes what is too old, unless another process does so now. Raises KnowledgeUnavailable."""
        async with self.database.lock_if_free(LOCK) as is_ours:
            if not is_ours:
                return
            for name, prune in self.prunings.items():
                total = 0
                while found := await prune(BATCH):
                    total += found
                if total:
                    log.info("deleted %d %s that were too old", total, name)


async def _tolerated(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except WarmlineError as error:
        log.warning("upkeep waits for the database: %s", error)
    except Exception:
        log.exception("upkeep failed; it goes on in a minute")
