"""Tells the token cache what a change of a document did to its segments."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from deployments.core.documents import Ingested
from deployments.core.ids import Scope
from deployments.core.ports import SegmentWriter
from deployments.knowledge.store import StoreResult

log = logging.getLogger(__name__)

_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class SegmentUpdates:
    """Adds new segments to the token cache, and drops what a change has made useless."""

    writer: SegmentWriter | None
    """None if there is no token cache."""
    write_through: bool
    """Whether new segments are stored before a question needs them."""

    async def write(self, scope: Scope, stored: StoreResult) -> Ingested:
        """Adds the new segments. Logs failures: answers do not depend on the token cache."""
        if self.writer is None or not stored.written or not self.write_through:
            return stored.ingested
        tokens = 0
        async with _tolerated(stored.ingested):
            tokens = await self.writer.write_through(scope, stored.written)
        return replace(stored.ingested, tokens_written=tokens)

    async def drop(self, scope: Scope, stored: StoreResult) -> None:
        """Drops segments and retrievals that the change has made useless. Logs failures.

        Call it when no lease holder uses the former contents: no request can then store them again.
        """
        if self.writer is None or not stored.ingested.changed:
            return
        async with _tolerated(stored.ingested):
            await self.writer.invalidate(scope, stored.obsolete, stored.ingested.generation)
            if stored.obsolete:
                written = stored.written if self.write_through else ()
                await self.writer.replace(scope, dict(zip(stored.obsolete, written, strict=False)))


@asynccontextmanager
async def _tolerated(ingested: Ingested) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            yield
    except Exception:
        log.warning("%s: the token cache was not told", ingested.doc_id, exc_info=True)
