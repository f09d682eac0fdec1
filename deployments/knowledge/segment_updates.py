"""Tells the token cache what a change of a document did to its segments."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from deployments.core.documents import Ingested
from deployments.core.ids import Scope
from deployments.core.ports import SegmentWriter
from deployments.knowledge.store import StoreResult

log = logging.getLogger(__name__)

_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class SegmentUpdates:
    """Drops obsolete segments from the token cache and adds new ones."""

    writer: SegmentWriter | None
    """None if there is no token cache."""
    write_through: bool
    """Whether new segments are stored before a question needs them."""

    async def send(self, scope: Scope, stored: StoreResult) -> Ingested:
        """Sends a change. Logs failures: answers do not depend on the token cache."""
        if self.writer is None:
            return stored.ingested
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                written = stored.written if self.write_through else ()
                tokens = await _sent(self.writer, scope, written, stored.obsolete)
        except Exception:
            log.warning("%s: the token cache was not told", stored.ingested.doc_id, exc_info=True)
            return stored.ingested
        return replace(stored.ingested, tokens_written=tokens)


async def _sent(writer: SegmentWriter, scope: Scope, written: Sequence[str], obsolete: Sequence[str]) -> int:
    """Invalidates obsolete segments and writes new ones; returns how many token ids were written."""
    if obsolete:
        await writer.invalidate(scope, obsolete)
        await writer.replace(scope, dict(zip(obsolete, written, strict=False)))
    return await writer.write_through(scope, written) if written else 0
