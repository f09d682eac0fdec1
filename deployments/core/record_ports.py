"""The seams to what is kept in the database besides documents; see `ports` for the others."""

from __future__ import annotations

from typing import Protocol

from deployments.core.idempotency import Claim, RepeatableCall
from deployments.core.ids import TenantId
from deployments.core.support_report import Period, SupportReport
from deployments.core.tickets import (
    Ticket,
    TicketChange,
    TicketDraft,
    TicketHistory,
    TicketOutcome,
    TicketQuery,
)


class TicketDesk(Protocol):
    """Tickets, stored before a call returns. All methods raise KnowledgeUnavailable."""

    async def create_ticket(self, tenant: TenantId, draft: TicketDraft, token: str | None) -> Ticket:
        """Opens a ticket. The same `token` (see `Claim`) never opens two: the first one is returned."""

    async def change_ticket(self, tenant: TenantId, ticket_id: str, change: TicketChange) -> TicketOutcome:
        """Makes a change, whole or not at all.

        Raises: NotFound, Conflict (not in the ticket's present status), Forbidden (rated by another
        user), InvalidRequest.
        """

    async def get_ticket(self, tenant: TenantId, ticket_id: str) -> TicketHistory:
        """Raises: NotFound."""

    async def list_tickets(self, query: TicketQuery) -> tuple[Ticket, ...]:
        """Newest first; see `TicketQuery`."""

    async def support_report(self, tenant: TenantId, period: Period) -> SupportReport:
        """Figures of the tickets that were opened in a period, counted now."""


class IdempotencyKeys(Protocol):
    """Makes a creating call happen once however often it is sent. All methods raise KnowledgeUnavailable.

    Claim, make the call, then keep its response; release where there is none.
    """

    async def claim(self, call: RepeatableCall) -> Claim:
        """The right to make the call, or the response it had within the last day.

        Raises: Conflict (the key was used with another request, or the first call has not ended).
        """

    async def keep(self, call: RepeatableCall, response: str) -> None:
        """Notes the response down for those who repeat the call."""

    async def release(self, call: RepeatableCall) -> None:
        """Lets the call be made again at once, under the same token."""
