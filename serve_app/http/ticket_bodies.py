"""Bodies of support tickets and their life. Times are ISO 8601 in UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from deployments.core.tickets import (
    MAX_REASON_CHARS,
    MAX_TEAM_CHARS,
    MAX_TICKET_TEXT_CHARS,
    MAX_TICKETS_PER_PAGE,
    MAX_USER_ID_CHARS,
    HelpfulSolution,
    MemoryContext,
    Priority,
    ResolutionType,
    Ticket,
    TicketEvent,
    TicketHistory,
    TicketOutcome,
    TicketStatus,
)
from serve_app.http.body import Body
from serve_app.http.moments import Seconds, moment


def _example(**fields: str | int) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [{**fields}]})


_ENABLE_MEMORY = Field(True, description="off: this call neither reads nor writes memory")


class TicketRequest(Body):
    """A ticket to open. It is due 72, 24, 8 or 4 hours later by its priority, low to urgent."""

    model_config = _example(user_id="ann", issue_description="The invoice export fails", priority="high")

    user_id: str = Field(min_length=1, max_length=MAX_USER_ID_CHARS)
    issue_description: str = Field(min_length=1, max_length=MAX_TICKET_TEXT_CHARS)
    priority: Priority = Priority.MEDIUM
    enable_memory: bool = _ENABLE_MEMORY


class RespondRequest(Body):
    """An answer to the customer; `resolved` resolves the ticket by it."""

    model_config = _example(response="Choose a shorter period.", resolution_type="workaround")

    response: str = Field(min_length=1, max_length=MAX_TICKET_TEXT_CHARS)
    resolution_type: ResolutionType = ResolutionType.ANSWERED
    enable_memory: bool = _ENABLE_MEMORY


class EscalateRequest(Body):
    """Hands a ticket to another team, one priority higher unless `new_priority` says more."""

    model_config = _example(escalation_reason="Needs database access", escalation_team="backend")

    escalation_reason: str = Field(min_length=1, max_length=MAX_REASON_CHARS)
    escalation_team: str = Field(min_length=1, max_length=MAX_TEAM_CHARS)
    new_priority: Priority | None = None


class ResolveRequest(Body):
    """What solved the issue."""

    model_config = _example(solution="The export was repaired in release 4.2.")

    solution: str = Field(min_length=1, max_length=MAX_TICKET_TEXT_CHARS)
    enable_memory: bool = _ENABLE_MEMORY


class ReopenRequest(Body):
    """Why a ticket is not solved after all."""

    model_config = _example(reason="It failed again this morning")

    reason: str = Field(min_length=1, max_length=MAX_REASON_CHARS)


class CloseRequest(Body):
    """A note to put away with a resolved ticket."""

    model_config = _example(note="Confirmed by telephone")

    note: str = Field("", max_length=MAX_REASON_CHARS)


class RateRequest(Body):
    """What the customer who opened the ticket says of its solution: 1 (bad) to 5."""

    model_config = _example(user_id="ann", score=5)

    user_id: str = Field(min_length=1, max_length=MAX_USER_ID_CHARS)
    score: int = Field(ge=1, le=5)
    comment: str = Field("", max_length=MAX_REASON_CHARS)


class TicketBody(BaseModel):
    """A ticket as it stands. `sla_breached`: it ever was, or is, unresolved behind its deadline."""

    ticket_id: str
    user_id: str
    issue_description: str
    status: TicketStatus
    priority: Priority
    original_priority: Priority
    created_at: datetime
    updated_at: datetime
    sla_deadline: datetime
    sla_breached: bool
    first_response_at: datetime | None
    resolved_at: datetime | None
    escalations: int
    reopenings: int
    escalation_team: str | None
    resolution_type: ResolutionType | None
    solution: str | None
    rating: int | None

    @classmethod
    def of(cls, ticket: Ticket) -> Self:
        """From the message."""
        return cls.model_validate(_shown(ticket))


class TicketEventBody(BaseModel):
    """One thing that happened to a ticket; `status` is the ticket's afterwards, `text` what was written.

    `details` by kind: responded has resolution_type and response_time_s; escalated has team,
    original_priority, old_priority and new_priority; rated has score.
    """

    number: int
    kind: str
    at: datetime
    status: TicketStatus
    text: str
    details: dict[str, str | float]

    @classmethod
    def of(cls, event: TicketEvent) -> TicketEventBody:
        """From the message."""
        return cls(
            number=event.number,
            kind=event.kind,
            at=moment(event.at_s),
            status=event.status,
            text=event.text,
            details=dict(event.details),
        )


class TicketHistoryBody(TicketBody):
    """A ticket with all that ever happened to it, oldest first."""

    history: list[TicketEventBody]

    @classmethod
    def with_history(cls, found: TicketHistory) -> TicketHistoryBody:
        """From the message."""
        events = [TicketEventBody.of(event) for event in found.events]
        return cls.model_validate({**_shown(found.ticket), "history": events})


class TicketFilter(Body):
    """Which tickets to list; what is not given filters nothing."""

    status: TicketStatus | None = None
    priority: Priority | None = None
    user_id: str | None = Field(None, min_length=1, max_length=MAX_USER_ID_CHARS)
    limit: int = Field(50, ge=1, le=MAX_TICKETS_PER_PAGE)
    after: str | None = Field(None, description="the `next` of the page before")


class TicketPage(BaseModel):
    """Tickets, newest first; `next` is what to pass as `after` for older ones."""

    tickets: list[TicketBody]
    next: str | None


class HelpfulSolutionBody(BaseModel):
    """What solved a similar ticket; `similarity` is the cosine of the issues, if known."""

    ticket_id: str
    issue_description: str
    solution: str
    similarity: float | None
    rating: int | None

    @classmethod
    def of(cls, solution: HelpfulSolution) -> HelpfulSolutionBody:
        """From the message."""
        return cls.model_validate(solution, from_attributes=True)


class MemoryContextBody(BaseModel):
    """What is known that helps: the customer's earlier tickets, newest first, and what solved others."""

    earlier_tickets: list[TicketBody]
    similar_solutions: list[HelpfulSolutionBody]

    @classmethod
    def of(cls, memory: MemoryContext) -> MemoryContextBody:
        """From the message."""
        return cls(
            earlier_tickets=[TicketBody.of(ticket) for ticket in memory.earlier_tickets],
            similar_solutions=[HelpfulSolutionBody.of(known) for known in memory.similar_solutions],
        )


class ResponseBody(BaseModel):
    """A response that was given. `response_time_s` runs from opening, or the last reopening.

    `memory_context` is null without `enable_memory`.
    """

    ticket_id: str
    response: str
    resolution_type: ResolutionType
    status: TicketStatus
    response_time_s: Seconds
    responded_at: datetime
    memory_context: MemoryContextBody | None
    ticket: TicketBody

    @classmethod
    def of(cls, made: TicketOutcome) -> ResponseBody:
        """From the message about a response."""
        return cls(
            ticket_id=made.ticket.ticket_id,
            response=made.event.text,
            resolution_type=ResolutionType(str(made.event.details["resolution_type"])),
            status=made.ticket.status,
            response_time_s=float(made.event.details["response_time_s"]),
            responded_at=moment(made.event.at_s),
            memory_context=None if made.memory is None else MemoryContextBody.of(made.memory),
            ticket=TicketBody.of(made.ticket),
        )


class EscalationBody(BaseModel):
    """An escalation that was made. `original_priority` is the one the ticket was opened with."""

    ticket_id: str
    escalation_reason: str
    escalation_team: str
    original_priority: Priority
    new_priority: Priority
    escalated_at: datetime
    ticket: TicketBody

    @classmethod
    def of(cls, made: TicketOutcome) -> EscalationBody:
        """From the message about an escalation."""
        return cls(
            ticket_id=made.ticket.ticket_id,
            escalation_reason=made.event.text,
            escalation_team=str(made.event.details["team"]),
            original_priority=made.ticket.original_priority,
            new_priority=made.ticket.priority,
            escalated_at=moment(made.event.at_s),
            ticket=TicketBody.of(made.ticket),
        )


def _shown(ticket: Ticket) -> dict[str, object]:
    """Fields of a body; what is the tenant's own or memory's is not shown."""
    return {name: getattr(ticket, name) for name in TicketBody.model_fields if hasattr(ticket, name)} | {
        "created_at": moment(ticket.created_at_s),
        "updated_at": moment(ticket.updated_at_s),
        "sla_deadline": moment(ticket.sla_deadline_s),
        "first_response_at": moment(ticket.first_response_at_s),
        "resolved_at": moment(ticket.resolved_at_s),
    }
