"""Tickets in the database. One transaction stores a ticket's new state and the event of the change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.errors import InvalidRequest, NotFound
from deployments.core.ids import TenantId
from deployments.core.records.support_report import Period, ReportedTicket
from deployments.core.records.tickets import (
    Priority,
    ResolutionType,
    Ticket,
    TicketEvent,
    TicketHistory,
    TicketQuery,
    TicketStatus,
)
from deployments.database.connection import Database
from deployments.database.metadata import AnyRow
from deployments.records.record_ids import is_id
from deployments.records.tables import ticket_events as events
from deployments.records.tables import tickets
from deployments.records.ticket_life import Changed

MAX_REPORTED = 10_000
"""Most tickets of a report."""
_PAGE = 1000
_REPORTED_CHARS = 500
"""How much of a ticket's issue a report reads to find its topics."""
_REPORTED = [
    tickets.c[field.name]
    if field.name != "issue_description"
    else func.substr(tickets.c.issue_description, 1, _REPORTED_CHARS).label(field.name)
    for field in fields(ReportedTicket)
]


class TicketStore:
    """Reads and writes tickets. All methods raise KnowledgeUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, new: Changed) -> Ticket:
        """Stores a new ticket, or returns the stored one if its id is taken."""
        tenant, ticket_id = new.ticket.tenant, new.ticket.ticket_id
        async with self._database.transaction() as connection:
            present = await _find(connection, tenant, ticket_id)
            if present is not None:
                return present
            await connection.execute(insert(tickets).values(asdict(new.ticket)))
            await _add_event(connection, new)
        return new.ticket

    async def change(self, tenant: TenantId, ticket_id: str, apply: Callable[[Ticket], Changed]) -> Changed:
        """Stores what `apply` makes of a ticket. Changes of the same ticket wait for each other.

        Raises NotFound, and what `apply` raises; then nothing has changed.
        """
        async with self._database.transaction() as connection:
            present = await _find(connection, tenant, ticket_id, for_update=True)
            after = apply(_present_or_raise(present, ticket_id))
            values = asdict(after.ticket)
            await connection.execute(update(tickets).where(_is(tenant, ticket_id)).values(values))
            await _add_event(connection, after)
        return after

    async def get(self, tenant: TenantId, ticket_id: str) -> Ticket:
        """Returns a ticket. Raises NotFound."""
        async with self._database.snapshot() as connection:
            return _present_or_raise(await _find(connection, tenant, ticket_id), ticket_id)

    async def history(self, tenant: TenantId, ticket_id: str) -> TicketHistory:
        """Returns a ticket with its events, oldest first. Raises NotFound."""
        query = (
            select(events)
            .where(events.c.tenant == tenant, events.c.ticket_id == ticket_id)
            .order_by(events.c.number)
        )
        async with self._database.snapshot() as connection:
            ticket = _present_or_raise(await _find(connection, tenant, ticket_id), ticket_id)
            rows = await connection.execute(query)
            return TicketHistory(ticket, tuple(_event(row) for row in rows))

    async def list(self, query: TicketQuery) -> tuple[Ticket, ...]:
        """Returns the tickets that a query asks for, newest first."""
        wanted = {"status": query.status, "priority": query.priority, "user_id": query.user_id}
        conditions = [tickets.c[name] == value for name, value in wanted.items() if value is not None]
        if query.after is not None:
            conditions.append(tickets.c.ticket_id < query.after)
        return await self._read(_newest(query.tenant, query.limit).where(*conditions))

    async def earlier(self, ticket: Ticket, limit: int) -> tuple[Ticket, ...]:
        """Returns the customer's tickets that are older and may be recalled, newest first."""
        conditions = (
            tickets.c.user_id == ticket.user_id,
            tickets.c.ticket_id < ticket.ticket_id,
            tickets.c.in_memory,
        )
        return await self._read(_newest(ticket.tenant, limit).where(*conditions))

    async def get_many(self, tenant: TenantId, ticket_ids: Sequence[str]) -> dict[str, Ticket]:
        """Returns tickets by id, without those that do not exist."""
        query = select(tickets).where(tickets.c.tenant == tenant, tickets.c.ticket_id.in_(ticket_ids))
        return {ticket.ticket_id: ticket for ticket in await self._read(query)}

    async def opened_in(self, tenant: TenantId, period: Period) -> Sequence[ReportedTicket]:
        """Returns what a report reads of the tickets that were opened in a period.

        Reads them in pages, so that other calls get the database in between. Raises InvalidRequest if
        there are more than `MAX_REPORTED`.
        """
        query = select(tickets.c.ticket_id, *_REPORTED).where(
            tickets.c.tenant == tenant,
            tickets.c.created_at_s >= period.start_s,
            tickets.c.created_at_s < period.end_s,
        )
        query = query.order_by(tickets.c.ticket_id).limit(_PAGE)
        found: list[ReportedTicket] = []
        last = ""
        while True:
            async with self._database.snapshot() as connection:
                page = (await connection.execute(query.where(tickets.c.ticket_id > last))).all()
            found += [_reported(row) for row in page]
            if len(found) > MAX_REPORTED:
                raise InvalidRequest(
                    f"more than {MAX_REPORTED} tickets were opened in this period; ask for a shorter one",
                    "end",
                )
            if len(page) < _PAGE:
                return found
            last = page[-1].ticket_id

    async def _read(self, query: Select[Any]) -> tuple[Ticket, ...]:
        async with self._database.snapshot() as connection:
            return tuple(_ticket(row) for row in await connection.execute(query))


def _newest(tenant: TenantId, limit: int) -> Select[Any]:
    return select(tickets).where(tickets.c.tenant == tenant).order_by(tickets.c.ticket_id.desc()).limit(limit)


async def _find(
    connection: AsyncConnection, tenant: TenantId, ticket_id: str, for_update: bool = False
) -> Ticket | None:
    if not is_id(ticket_id):
        return None
    query = select(tickets).where(_is(tenant, ticket_id))
    row = (await connection.execute(query.with_for_update() if for_update else query)).one_or_none()
    return None if row is None else _ticket(row)


def _present_or_raise(ticket: Ticket | None, ticket_id: str) -> Ticket:
    if ticket is None:
        raise NotFound(f"there is no ticket {ticket_id}", "ticket_id")
    return ticket


async def _add_event(connection: AsyncConnection, change: Changed) -> None:
    owner = {"tenant": change.ticket.tenant, "ticket_id": change.ticket.ticket_id}
    await connection.execute(insert(events).values(owner | asdict(change.event)))


def _is(tenant: TenantId, ticket_id: str) -> ColumnElement[bool]:
    return and_(tickets.c.tenant == tenant, tickets.c.ticket_id == ticket_id)


def _ticket(row: AnyRow) -> Ticket:
    values = dict(row._mapping)
    kind = values["resolution_type"]
    values["status"] = TicketStatus(values["status"])
    values["priority"] = Priority(values["priority"])
    values["original_priority"] = Priority(values["original_priority"])
    values["resolution_type"] = None if kind is None else ResolutionType(kind)
    return Ticket(**values)


def _reported(row: AnyRow) -> ReportedTicket:
    _, issue, status, priority, *others = row
    return ReportedTicket(issue, TicketStatus(status), Priority(priority), *others)


def _event(row: AnyRow) -> TicketEvent:
    return TicketEvent(row.number, row.kind, row.at_s, TicketStatus(row.status), row.text, row.details)
