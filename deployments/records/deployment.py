"""What a replica that has records answers: a thin shell over the stores."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.core.business import Template, TemplateDraft, TemplateQuery
from deployments.core.business_ideas import Evidence, EvidenceQuery, IdeaDraft, StoredIdea, TypeSummary
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
from deployments.records.business_memory import StoredBusiness
from deployments.records.idempotency import IdempotencyStore
from deployments.records.ticket_desk import StoredTickets


@dataclass(frozen=True, slots=True)
class RecordStores:
    """The stores of one database."""

    tickets: StoredTickets
    idempotency: IdempotencyStore
    business: StoredBusiness


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

    async def add_template(self, tenant: TenantId, draft: TemplateDraft, token: str | None) -> Template:
        """See `core.business_ports.BusinessMemory`."""
        return await self._records.business.add_template(tenant, draft, token)

    async def put_template(self, tenant: TenantId, template_id: str, draft: TemplateDraft) -> Template:
        """See `core.business_ports.BusinessMemory`."""
        return await self._records.business.put_template(tenant, template_id, draft)

    async def get_template(self, tenant: TenantId, template_id: str) -> Template:
        """See `core.business_ports.BusinessMemory`."""
        return await self._records.business.get_template(tenant, template_id)

    async def delete_template(self, tenant: TenantId, template_id: str) -> None:
        """See `core.business_ports.BusinessMemory`."""
        await self._records.business.delete_template(tenant, template_id)

    async def recall_templates(self, query: TemplateQuery) -> tuple[Template, ...]:
        """See `core.business_ports.BusinessMemory`."""
        return await self._records.business.recall_templates(query)

    async def type_summaries(self, tenant: TenantId) -> tuple[TypeSummary, ...]:
        """See `core.business_ports.BusinessMemory`."""
        return await self._records.business.type_summaries(tenant)

    async def evidence(self, query: EvidenceQuery) -> Evidence:
        """See `core.business_ports.BusinessMemory`."""
        return await self._records.business.evidence(query)

    async def put_idea(self, tenant: TenantId, draft: IdeaDraft, token: str | None) -> StoredIdea:
        """See `core.business_ports.BusinessMemory`."""
        return await self._records.business.put_idea(tenant, draft, token)

    async def get_idea(self, tenant: TenantId, idea_id: str) -> StoredIdea:
        """See `core.business_ports.BusinessMemory`."""
        return await self._records.business.get_idea(tenant, idea_id)

    async def list_ideas(self, tenant: TenantId, limit: int, after: str | None) -> tuple[StoredIdea, ...]:
        """See `core.business_ports.BusinessMemory`."""
        return await self._records.business.list_ideas(tenant, limit, after)
