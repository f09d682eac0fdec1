"""Deletes conversations that have expired, or that a tenant has too many of, in small batches."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, delete, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.conversations.tables import conversations
from deployments.core.conversations import KEPT_S, MAX_CONVERSATION_BYTES, MAX_CONVERSATIONS
from deployments.core.ids import TenantId

BATCH = 256
"""Conversations that one pruning deletes for each reason."""


async def prune(
    connection: AsyncConnection,
    tenant: TenantId,
    now_s: float,
    *,
    max_conversations: int = MAX_CONVERSATIONS,
    max_bytes: int = MAX_CONVERSATION_BYTES,
) -> bool:
    """Deletes expired conversations of all tenants, and the oldest ones of a tenant above its limits.

    Returns whether there may be more of them.
    """
    expired = conversations.c.used_at_s < now_s - KEPT_S
    deleted = [await _delete(connection, select(conversations).where(expired))]
    owned = conversations.c.tenant == tenant
    size = func.coalesce(func.sum(conversations.c.stored_bytes), 0)
    count, stored_bytes = (await connection.execute(select(func.count(), size).where(owned))).one()
    if count > max_conversations or stored_bytes > max_bytes:
        deleted.append(await _delete(connection, _beyond(owned, max_conversations, max_bytes)))
    return max(deleted) >= BATCH


def _beyond(owned: ColumnElement[bool], max_conversations: int, max_bytes: int) -> Select[tuple[object, ...]]:
    """The conversations for which those that were used later leave no room."""
    newest_first = conversations.c.used_at_s.desc()
    number = func.row_number().over(order_by=newest_first)
    size = func.sum(conversations.c.stored_bytes).over(order_by=newest_first)
    counted = select(conversations, number.label("number"), size.label("size")).where(owned).subquery()
    return select(counted).where(or_(counted.c.number > max_conversations, counted.c.size > max_bytes))


async def _delete(connection: AsyncConnection, chosen: Select[tuple[object, ...]]) -> int:
    """Deletes the first `BATCH` of the chosen conversations, by last use; returns how many."""
    each = chosen.subquery()
    oldest = select(each.c.tenant, each.c.conversation_id).order_by(each.c.used_at_s).limit(BATCH)
    key = tuple_(conversations.c.tenant, conversations.c.conversation_id)
    return (await connection.execute(delete(conversations).where(key.in_(oldest)))).rowcount
