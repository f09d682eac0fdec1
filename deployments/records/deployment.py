"""What a replica that has records answers: a thin shell over the stores."""

from __future__ import annotations

from dataclasses import dataclass

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
from deployments.records.idempotency import IdempotencyStore
from deployments.records.ticket_desk import StoredTickets


@dataclass(frozen=True, slots=True)
class RecordStores:
    """The stores of one database."""

    tickets: StoredTickets
    idempotency: IdempotencyStore


class Records:
    """The records' part of a replica; who inherits it sets `_records`."""

    _records: RecordStores

    async def create_ticket(self, tenant: TenantId, draft: TicketDraft, token: str | None) -> Ticket:
        """See `core.ports.TicketDesk`."""
        return await self._records.tickets.create_ticket(tenant, draft, token)

    async def change_ticket(self, tenant: TenantId, ticket_id: str, change: TicketChange) -> TicketOutcome:
        """See `core.ports.TicketDesk`."""
        return await self._records.tickets.change_ticket(tenant, ticket_id, change)

    async def get_ticket(self, tenant: TenantId, ticket_id: str) -> TicketHistory:
        """See `core.ports.TicketDesk`."""
        return await self._records.tickets.get_ticket(tenant, ticket_id)

    async def list_tickets(self, query: TicketQuery) -> tuple[Ticket, ...]:
        """See `core.ports.TicketDesk`."""
        return await self._records.tickets.list_tickets(query)

    async def support_report(self, tenant: TenantId, period: Period) -> SupportReport:
        """See `core.ports.TicketDesk`."""
        return await self._records.tickets.support_report(tenant, period)

    async def claim(self, call: RepeatableCall) -> Claim:
        """See `core.ports.IdempotencyKeys`."""
        return await self._records.idempotency.claim(call)

    async def keep(self, call: RepeatableCall, response: str) -> None:
        """See `core.ports.IdempotencyKeys`."""
        await self._records.idempotency.keep(call, response)

    async def release(self, call: RepeatableCall) -> None:
        """See `core.ports.IdempotencyKeys`."""
        await self._records.idempotency.release(call)
