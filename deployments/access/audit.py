"""The record of what administrators did."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.access.tables import audit_entries as entries
from deployments.core.access import Actor, AuditEntry
from deployments.core.ids import TenantId

KEPT_S = 400 * 24 * 3600.0
"""How long entries are kept: a little more than a year."""


class Audit:
    """Writes and reads entries, inside its caller's transaction.

    `clock` gives Unix seconds; `new_record_id` makes ids that sort by time.
    """

    def __init__(self, clock: Callable[[], float], new_record_id: Callable[[], str]) -> None:
        self._clock = clock
        self._new_record_id = new_record_id

    async def record(
        self, connection: AsyncConnection, actor: Actor, tenant: TenantId, action: str, subject: str = ""
    ) -> None:
        """Adds an entry, and deletes those that are older than `KEPT_S`."""
        now_s = self._clock()
        await connection.execute(delete(entries).where(entries.c.at_s < now_s - KEPT_S))
        entry = {
            "tenant": tenant,
            "entry_id": f"audit-{self._new_record_id()}",
            "at_s": now_s,
            "key_id": actor.key_id,
            "action": action,
            "subject": subject,
            "request_id": actor.request_id,
        }
        await connection.execute(insert(entries).values(entry))

    async def newest(
        self, connection: AsyncConnection, tenant: TenantId, limit: int, before: str | None
    ) -> tuple[AuditEntry, ...]:
        """Returns at most `limit` entries, newest first, older than the entry `before`."""
        query = select(entries).where(entries.c.tenant == tenant)
        if before is not None:
            query = query.where(entries.c.entry_id < before)
        rows = await connection.execute(query.order_by(entries.c.entry_id.desc()).limit(limit))
        return tuple(AuditEntry(**row._mapping) for row in rows)
