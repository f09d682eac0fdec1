"""Interfaces to stored records: tickets, templates, ideas, idempotency keys."""

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
from deployments.core.replica import repeatable


class TicketDesk(Protocol):
    """Tickets. Calls return after the change is stored. All methods raise KnowledgeUnavailable."""

    async def create_ticket(
        self, tenant: TenantId, draft: TicketDraft, idempotency_key: str | None
    ) -> Ticket:
        """Opens a ticket. A repeated `idempotency_key` opens no other one: the first is returned."""

    async def change_ticket(self, tenant: TenantId, ticket_id: str, change: TicketChange) -> TicketOutcome:
        """Makes a change in one transaction.

        Raises NotFound, Conflict (not in the ticket's present status), Forbidden (rated by another
        user), InvalidRequest.
        """

    @repeatable
    async def get_ticket(self, tenant: TenantId, ticket_id: str) -> TicketHistory:
        """The ticket with its events. Raises NotFound."""

    @repeatable
    async def list_tickets(self, query: TicketQuery) -> tuple[Ticket, ...]:
        """The tickets that match, newest first."""

    @repeatable
    async def support_report(self, tenant: TenantId, period: Period) -> SupportReport:
        """Figures of the tickets that were opened in a period, counted now.

        Raises InvalidRequest if there are too many.
        """


class IdempotencyKeys(Protocol):
    """Makes a creating call happen once, however often it is sent. All methods raise
    KnowledgeUnavailable.

    Claim the call, make it, then `keep` its response, or `release` the claim if the call failed.
    """

    async def claim(self, call: RepeatableCall) -> Claim:
        """The right to make the call, or the response that it got within the last day.

        Raises Conflict (the key was used with another request, or the first call is still running).
        """

    @repeatable
    async def keep(self, call: RepeatableCall, response: str) -> None:
        """Stores the response for clients that repeat the call."""

    @repeatable
    async def release(self, call: RepeatableCall) -> None:
        """Lets the call be made again at once, with the same `creation_id`."""


class BusinessMemory(Protocol):
    """Templates and ideas. Calls return after the change is stored. All methods raise
    KnowledgeUnavailable.
    """

    async def add_template(
        self, tenant: TenantId, draft: TemplateDraft, idempotency_key: str | None
    ) -> Template:
        """Stores a new template. A repeated `idempotency_key` stores no other one."""

    @repeatable
    async def put_template(self, tenant: TenantId, template_id: str, draft: TemplateDraft) -> Template:
        """Stores a template or its new version, as record and as document. An equal one changes nothing.

        Repeating a call that failed between the two completes it.
        """

    @repeatable
    async def get_template(self, tenant: TenantId, template_id: str) -> Template:
        """The template. Raises NotFound."""

    async def delete_template(self, tenant: TenantId, template_id: str) -> None:
        """Deletes record and document. Raises NotFound."""

    @repeatable
    async def recall_templates(self, query: TemplateQuery) -> tuple[Template, ...]:
        """The templates that match, best first."""

    @repeatable
    async def type_summaries(self, tenant: TenantId) -> tuple[TypeSummary, ...]:
        """One for each type that has a template, by name."""

    @repeatable
    async def evidence(self, query: EvidenceQuery) -> Evidence:
        """Stored templates and ideas, compared with an idea."""

    async def put_idea(self, tenant: TenantId, draft: IdeaDraft, idempotency_key: str | None) -> StoredIdea:
        """Stores an idea. A repeated `idempotency_key` stores no other one: the first is returned."""

    @repeatable
    async def get_idea(self, tenant: TenantId, idea_id: str) -> StoredIdea:
        """The idea. Raises NotFound."""

    @repeatable
    async def list_ideas(self, tenant: TenantId, limit: int, after: str | None) -> tuple[StoredIdea, ...]:
        """At most `limit` ideas, latest first, those older than the id `after`."""
