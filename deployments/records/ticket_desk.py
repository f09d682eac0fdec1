"""The tickets' service: combines their state machine, their storage, memory and reports."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from deployments.core.errors import NotFound
from deployments.core.ids import TenantId
from deployments.core.records.support_report import Period, SupportReport
from deployments.core.records.tickets import (
    ResolutionType,
    Resolve,
    Respond,
    Ticket,
    TicketChange,
    TicketDraft,
    TicketHistory,
    TicketOutcome,
    TicketQuery,
)
from deployments.records.memory import SupportMemory
from deployments.records.report import report_of
from deployments.records.ticket_life import changed, is_breached, opened
from deployments.records.ticket_store import TicketStore


class StoredTickets:
    """Implements `TicketDesk`. All methods raise KnowledgeUnavailable.

    `clock` gives Unix seconds; `new_record_id` makes what follows `ticket-` in an id.
    """

    def __init__(
        self,
        store: TicketStore,
        memory: SupportMemory,
        clock: Callable[[], float],
        new_record_id: Callable[[], str],
    ) -> None:
        self._store = store
        self._memory = memory
        self._clock = clock
        self._new_record_id = new_record_id

    async def create_ticket(
        self, tenant: TenantId, draft: TicketDraft, idempotency_key: str | None
    ) -> Ticket:
        """Opens a ticket. The same `idempotency_key` returns the first ticket."""
        ticket_id = f"ticket-{idempotency_key or self._new_record_id()}"
        return await self._store.add(opened(tenant, ticket_id, draft, self._clock()))

    async def change_ticket(self, tenant: TenantId, ticket_id: str, change: TicketChange) -> TicketOutcome:
        """Changes a ticket, completely or not at all. Uses memory if the change says so.

        Raises NotFound, Conflict, Forbidden, InvalidRequest.
        """
        # Memory comes first: if it fails, the ticket has not changed yet and the call can be repeated.
        ticket = await self._store.get(tenant, ticket_id)
        changed(ticket, change, self._clock())  # only to raise before memory is used
        recalled = None
        if isinstance(change, Respond) and change.use_memory:
            recalled = await self._memory.recall(ticket)
        if _is_to_be_remembered(change):
            await self._memory.remember(ticket)
        try:
            made = await self._store.change(
                tenant, ticket_id, lambda now: changed(now, change, self._clock())
            )
        except NotFound:  # it was erased in the meantime
            await self._memory.forget(ticket)
            raise
        return TicketOutcome(made.ticket, made.event, recalled)

    async def get_ticket(self, tenant: TenantId, ticket_id: str) -> TicketHistory:
        """Returns a ticket with its events. Raises NotFound."""
        found = await self._store.history(tenant, ticket_id)
        return replace(found, ticket=self._as_of_now(found.ticket))

    async def list_tickets(self, query: TicketQuery) -> tuple[Ticket, ...]:
        """Returns the tickets that a query asks for, newest first."""
        return tuple(self._as_of_now(ticket) for ticket in await self._store.list(query))

    async def support_report(self, tenant: TenantId, period: Period) -> SupportReport:
        """Counts the tickets that were opened in a period. Raises InvalidRequest if there are too many."""
        tickets = await self._store.opened_in(tenant, period)
        return await asyncio.to_thread(report_of, tickets, period, self._clock())

    def _as_of_now(self, ticket: Ticket) -> Ticket:
        return replace(ticket, sla_breached=is_breached(ticket, self._clock()))


def _is_to_be_remembered(change: TicketChange) -> bool:
    match change:
        case Resolve() | Respond(resolution_type=ResolutionType.RESOLVED):
            return change.use_memory
        case _:
            return False
