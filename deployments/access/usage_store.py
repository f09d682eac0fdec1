"""The stored usage of tenants."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from typing import Any

from sqlalchemy import delete, func, select, text

from deployments.access.tables import usage as rows
from deployments.access.tables import usage_writers as writers
from deployments.core.usage import MAX_DAYS, MAX_ROWS, Amounts, UsageBatch, UsageQuery, UsageSum
from deployments.database.connection import Database

_SUMMED = tuple(field.name for field in fields(Amounts))
_ADDITIONS = ", ".join(f"{name} = usage.{name} + excluded.{name}" for name in _SUMMED)
_ADD = text(
    f"INSERT INTO usage (day, tenant, key, agent, {', '.join(_SUMMED)}) "  # noqa: S608 -- constants only
    f"VALUES (:day, :tenant, :key, :agent, {', '.join(':' + name for name in _SUMMED)}) "
    f"ON CONFLICT (day, tenant, key, agent) DO UPDATE SET {_ADDITIONS}"
)
_ONCE = text(
    "INSERT INTO usage_writers (writer, number, day) VALUES (:writer, :number, :day) "
    "ON CONFLICT (writer) DO UPDATE SET number = excluded.number, day = excluded.day "
    "WHERE usage_writers.number < excluded.number RETURNING number"
)
_WRITERS_KEPT_DAYS = 2


@dataclass(frozen=True, slots=True)
class UsageStore:
    """Implements `UsageDesk`."""

    database: Database
    """Its owner closes it."""

    async def record_usage(self, batch: UsageBatch) -> None:
        """Adds a batch once; also deletes what is older than `MAX_DAYS`."""
        written = {"writer": batch.writer, "number": batch.number, "day": batch.sent_on_day}
        # In one order, so that two transactions on the same rows can't deadlock.
        ordered = sorted(batch.amounts, key=lambda pair: astuple(pair[0]))
        values = [
            {
                "day": account.day,
                "tenant": account.tenant,
                "key": account.key_id,
                "agent": account.agent,
                **{name: getattr(amounts, name) for name in _SUMMED},
            }
            for account, amounts in ordered
        ]
        async with self.database.transaction() as connection:
            if values and (await connection.execute(_ONCE, written)).first() is not None:
                await connection.execute(_ADD, values)
            if batch.number == 1:  # once for each start of a replica is often enough
                await connection.execute(delete(rows).where(rows.c.day < batch.sent_on_day - MAX_DAYS))
                old = writers.c.day < batch.sent_on_day - _WRITERS_KEPT_DAYS
                await connection.execute(delete(writers).where(old))

    async def usage(self, query: UsageQuery) -> tuple[UsageSum, ...]:
        """The sums, at most `MAX_ROWS` + 1."""
        kept = [rows.c[field.value] for field in query.by]
        sums = [func.coalesce(func.sum(rows.c[name]), 0).label(name) for name in _SUMMED]
        found = select(*kept, *sums).where(rows.c.day.between(query.first_day, query.last_day))
        if query.tenant is not None:
            found = found.where(rows.c.tenant == query.tenant)
        if kept:
            found = found.group_by(*kept).order_by(*kept)
        async with self.database.snapshot() as connection:
            return tuple(_sum(row._mapping) for row in await connection.execute(found.limit(MAX_ROWS + 1)))


def _sum(row: Any) -> UsageSum:
    amounts = Amounts(**{name: int(row[name]) for name in _SUMMED})
    return UsageSum(row.get("day"), row.get("tenant"), row.get("key"), row.get("agent"), amounts)
