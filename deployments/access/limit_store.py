"""The stored limits of tenants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.access.audit import Audit
from deployments.access.tables import quota_limits as rows
from deployments.core.access import Actor
from deployments.core.ids import TenantId
from deployments.core.quotas import RULES, LimitChange, Quota
from deployments.database.connection import Database

_WRITE = text(
    'INSERT INTO quota_limits (tenant, quota, "limit", changed_at_s) '
    "VALUES (:tenant, :quota, :limit, :changed_at_s) ON CONFLICT (tenant, quota) "
    'DO UPDATE SET "limit" = excluded."limit", changed_at_s = excluded.changed_at_s'
)


@dataclass(frozen=True, slots=True)
class LimitStore:
    """Implements `QuotaDesk`."""

    database: Database
    """Its owner closes it."""
    clock: Callable[[], float]
    """Gives Unix seconds."""
    new_record_id: Callable[[], str]
    """Makes ids that sort by time."""

    async def set_limits(
        self, actor: Actor, tenant: TenantId, limits: Mapping[Quota, int | None]
    ) -> Mapping[Quota, int]:
        """Sets limits, None for the default; returns all limits of the tenant."""
        now_s = self.clock()
        async with self.database.transaction() as connection:
            for quota, limit in limits.items():
                values = {"tenant": tenant, "quota": quota.value, "limit": limit, "changed_at_s": now_s}
                await connection.execute(_WRITE, values)
            changed = " ".join(f"{quota}={'default' if n is None else n}" for quota, n in limits.items())
            audit = Audit(self.clock, self.new_record_id)
            await audit.record(connection, actor, tenant, "quotas.set", changed[:200])
            return await limits_of(connection, tenant)

    async def limits(self, tenant: TenantId) -> Mapping[Quota, int]:
        """All limits of a tenant."""
        async with self.database.snapshot() as connection:
            return await limits_of(connection, tenant)

    async def limit_changes(self, since_s: float) -> tuple[LimitChange, ...]:
        """All limits that were changed at or after a time in Unix seconds."""
        async with self.database.snapshot() as connection:
            found = await connection.execute(select(rows).where(rows.c.changed_at_s >= since_s))
            return tuple(
                LimitChange(TenantId(row.tenant), Quota(row.quota), row.limit, row.changed_at_s)
                for row in found
                if row.quota in RULES
            )


async def limits_of(connection: AsyncConnection, tenant: TenantId) -> dict[Quota, int]:
    """All limits of a tenant, read in the caller's transaction."""
    found = await connection.execute(select(rows).where(rows.c.tenant == tenant))
    own = {row.quota: row.limit for row in found if row.limit is not None}
    return {quota: own.get(quota.value, rule.default) for quota, rule in RULES.items()}
