"""Counts a tenant's erasures, so that no answer from before one is stored after it."""

from __future__ import annotations

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.conversations.tables import conversation_erasures
from deployments.core.ids import TenantId


async def count_of(connection: AsyncConnection, tenant: TenantId) -> int:
    """Returns the tenant's count."""
    own = conversation_erasures.c.tenant == tenant
    return int(await connection.scalar(select(conversation_erasures.c.erasures).where(own)) or 0)


async def locked_count_of(connection: AsyncConnection, tenant: TenantId) -> int:
    """Returns the tenant's count, which nobody changes until the transaction ends."""
    return await _add(connection, tenant, 0)


async def count_erasure(connection: AsyncConnection, tenant: TenantId) -> None:
    """Counts an erasure. Waits for transactions that have the count locked."""
    await _add(connection, tenant, 1)


async def _add(connection: AsyncConnection, tenant: TenantId, more: int) -> int:
    statement = text(
        "INSERT INTO conversation_erasures (tenant, erasures) VALUES (:tenant, :more) "
        "ON CONFLICT (tenant) DO UPDATE SET erasures = conversation_erasures.erasures + :more "
        "RETURNING erasures"
    )
    return int((await connection.execute(statement, {"tenant": tenant, "more": more})).scalar_one())
