"""How many documents and bytes a tenant has stored, and the limits of both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.errors import Conflict
from deployments.core.ids import TenantId
from deployments.core.quotas import RULES, Quota
from deployments.database.connection import Database
from deployments.database.metadata import AnyRow
from deployments.knowledge.tables import documents

LimitsOf: TypeAlias = "Callable[[AsyncConnection, TenantId], Awaitable[Mapping[Quota, int]]]"
"""Reads a tenant's limits in the caller's transaction."""


async def default_limits(_connection: AsyncConnection, _tenant: TenantId) -> Mapping[Quota, int]:
    """The limits of a tenant that has none of its own."""
    return {quota: rule.default for quota, rule in RULES.items()}


async def stored_amounts(connection: AsyncConnection, tenant: TenantId) -> dict[Quota, int]:
    """Counts documents and the bytes of their present versions, from an index that has both."""
    size = func.coalesce(func.sum(documents.c.content_bytes), 0)
    found = await connection.execute(select(func.count(), size).where(documents.c.tenant == tenant))
    count, total = found.one()
    return {Quota.DOCUMENTS: int(count), Quota.DOCUMENT_BYTES: int(total)}


async def check_quotas(
    connection: AsyncConnection, tenant: TenantId, limits_of: LimitsOf, found: AnyRow | None, new_bytes: int
) -> None:
    """Raises Conflict if a document that was just written exceeds a quota.

    `found` is the row that it replaced, if any: a tenant above its limit may still make documents smaller.
    """
    grown = {
        Quota.DOCUMENTS: found is None,
        Quota.DOCUMENT_BYTES: new_bytes > (0 if found is None else found.content_bytes),
    }
    limits, amounts = await limits_of(connection, tenant), await stored_amounts(connection, tenant)
    for quota, amount in amounts.items():
        if grown[quota] and amount > limits[quota]:
            raise Conflict(
                f"the quota {quota} is used up: its limit is {limits[quota]}. Delete documents, or ask the "
                "operator for a higher limit; GET /v1/quotas shows all limits",
                quota.value,
            )


@dataclass(frozen=True, slots=True)
class DocumentAmounts:
    """Implements `StoredAmounts`."""

    database: Database
    """Its owner closes it."""

    async def stored(self, tenant: TenantId) -> Mapping[Quota, int]:
        """What a tenant has stored."""
        async with self.database.snapshot() as connection:
            return await stored_amounts(connection, tenant)
