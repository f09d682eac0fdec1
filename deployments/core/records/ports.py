"""The seams to what is stored besides documents: tickets, templates, ideas, idempotency keys."""

from __future__ import annotations

from typing import Protocol

from deployments.core.ids import TenantId
from deployments.core.records.ideas import (
    Evidence,
    EvidenceQuery,
    IdeaDraft,
    StoredIdea,
    TypeSummary,
)
from deployments.core.records.idempotency import Claim, RepeatableCall
from deployments.core.records.support_report import Period, SupportReport
from deployments.core.records.templates import Template, TemplateDraft, TemplateQuery
from deployments.core.records.tickets import (
    Ticket,
    TicketChange,
    TicketDraft,
    TicketHistory,
    TicketOutcome,
    TicketQuery,
)


class TicketDesk(Protocol):
    """Tickets, stored before a call returns. All methods raise KnowledgeUnavailable."""

    async def create_ticket(
        self, tenant: TenantId, draft: TicketDraft, idempotency_key: str | None
    ) -> Ticket:
        """Opens a ticket. The same `idempotency_key` never opens two: the first one is returned."""

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
        """Lets the call be made again at once, with the same `creation_id`."""


class BusinessMemory(Protocol):
    """Templates and ideas, stored before a call returns. All methods raise KnowledgeUnavailable."""

    async def add_template(
        self, tenant: TenantId, draft: TemplateDraft, idempotency_key: str | None
    ) -> Template:
        """Stores a new template. The same `idempotency_key` never stores two."""

    async def put_template(self, tenant: TenantId, template_id: str, draft: TemplateDraft) -> Template:
        """Stores a template or its new version, as record and as document; an equal one changes nothing.

        A call that failed half-way is completed by repeating it.
        """

    async def get_template(self, tenant: TenantId, template_id: str) -> Template:
        """Raises: NotFound."""

    async def delete_template(self, tenant: TenantId, template_id: str) -> None:
        """Deletes record and document. Raises: NotFound."""

    async def recall_templates(self, query: TemplateQuery) -> tuple[Template, ...]:
        """Best first; see `TemplateQuery`."""

    async def type_summaries(self, tenant: TenantId) -> tuple[TypeSummary, ...]:
        """One for each type that has a template, by name."""

    async def evidence(self, query: EvidenceQuery) -> Evidence:
        """What is stored, compared with an idea."""

    async def put_idea(self, tenant: TenantId, draft: IdeaDraft, idempotency_key: str | None) -> StoredIdea:
        """Stores an idea. The same `idempotency_key` never stores two: the first one is returned."""

    async def get_idea(self, tenant: TenantId, idea_id: str) -> StoredIdea:
        """Raises: NotFound."""

    async def list_ideas(self, tenant: TenantId, limit: int, after: str | None) -> tuple[StoredIdea, ...]:
        """Latest first, those behind `after`."""
