"""What the clients of all deployments that know tickets have in common."""

from __future__ import annotations

from typing import Any

from deployments.core.ids import TenantId
from deployments.core.tickets import (
    Ticket,
    TicketChange,
    TicketDraft,
    TicketHistory,
    TicketOutcome,
    TicketQuery,
)
from serve_app.handles.errors import translated


class TicketsHandle:
    """The tickets of `TicketDesk`. `part` is for error messages, as in "the support agent"."""

    def __init__(self, part: str, handle: Any) -> None:
        self._part = part
        self._handle = handle

    async def create_ticket(self, tenant: TenantId, draft: TicketDraft, token: str | None) -> Ticket:
        """See `TicketDesk`."""
        with translated(self._part):
            ticket: Ticket = await self._handle.create_ticket.remote(tenant, draft, token)
            return ticket

    async def change_ticket(self, tenant: TenantId, ticket_id: str, change: TicketChange) -> TicketOutcome:
        """See `TicketDesk`."""
        with translated(self._part):
            outcome: TicketOutcome = await self._handle.change_ticket.remote(tenant, ticket_id, change)
            return outcome

    async def get_ticket(self, tenant: TenantId, ticket_id: str) -> TicketHistory:
        """See `TicketDesk`."""
        with translated(self._part):
            found: TicketHistory = await self._handle.get_ticket.remote(tenant, ticket_id)
            return found

    async def list_tickets(self, query: TicketQuery) -> tuple[Ticket, ...]:
        """See `TicketDesk`."""
        with translated(self._part):
            tickets: tuple[Ticket, ...] = await self._handle.list_tickets.remote(query)
            return tickets
