"""Bodies of requests about support tickets, and of their responses. Times are ISO 8601 in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from deployments.core.records.tickets import (
    MAX_REASON_CHARS,
    MAX_TEAM_CHARS,
    MAX_TICKET_TEXT_CHARS,
    MAX_TICKETS_PER_PAGE,
    HelpfulSolution,
    MemoryContext,
    Priority,
    ResolutionType,
    TicketOutcome,
    TicketStatus,
)
from serve_app.http.body import Body, FromCore
from serve_app.http.fields import Moment, PageMark, Seconds, UserId, UsesMemory


def _example(**fields: str | int) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [{**fields}]})


class TicketRequest(Body):
    """A ticket to open. It is due in 72, 24, 8 or 4 hours, for the priorities low to urgent."""

    model_config = _example(user_id="ann", issue_description="The invoice export fails", priority="high")

    user_id: UserId
    issue_description: str = Field(min_length=1, max_length=MAX_TICKET_TEXT_CHARS)
    priority: Priority = Priority.MEDIUM
    enable_memory: UsesMemory = True


class RespondRequest(Body):
    """An answer to the customer; with the `resolution_type` `resolved`, it also resolves the ticket."""

    model_config = _example(response="Choose a shorter period.", resolution_type="workaround")

    response: str = Field(min_length=1, max_length=MAX_TICKET_TEXT_CHARS)
    resolution_type: ResolutionType = ResolutionType.ANSWERED
    enable_memory: UsesMemory = True


class EscalateRequest(Body):
    """Hands a ticket to another team. Without `new_priority`, its priority rises by one level."""

    model_config = _example(escalation_reason="Needs database access", escalation_team="backend")

    escalation_reason: str = Field(min_length=1, max_length=MAX_REASON_CHARS)
    escalation_team: str = Field(min_length=1, max_length=MAX_TEAM_CHARS)
    new_priority: Priority | None = None


class ResolveRequest(Body):
    """What solved the issue."""

    model_config = _example(solution="The export was repaired in release 4.2.")

    solution: str = Field(min_length=1, max_length=MAX_TICKET_TEXT_CHARS)
    enable_memory: UsesMemory = True


class ReopenRequest(Body):
    """Why a ticket is not solved after all."""

    model_config = _example(reason="It failed again this morning")

    reason: str = Field(min_length=1, max_length=MAX_REASON_CHARS)


class CloseRequest(Body):
    """A note to keep with a resolved ticket when it is closed."""

    model_config = _example(note="Confirmed by telephone")

    note: str = Field("", max_length=MAX_REASON_CHARS)


class RateRequest(Body):
    """How the customer who opened the ticket rates its solution: 1 (bad) to 5."""

    model_config = _example(user_id="ann", score=5)

    user_id: UserId
    score: int = Field(ge=1, le=5)
    comment: str = Field("", max_length=MAX_REASON_CHARS)


class TicketBody(FromCore, BaseModel):
    """A ticket as it is now. `sla_breached`: it is, or once was, unresolved after its deadline."""

    ticket_id: str
    user_id: str
    issue_description: str
    status: TicketStatus
    priority: Priority
    original_priority: Priority
    created_at: Moment
    updated_at: Moment
    sla_deadline: Moment
    sla_breached: bool
    first_response_at: Moment | None
    resolved_at: Moment | None
    escalations: int
    reopenings: int
    escalation_team: str | None
    resolution_type: ResolutionType | None
    solution: str | None
    rating: int | None


class TicketEventBody(FromCore, BaseModel):
    """One thing that happened to a ticket; `status` is the ticket's afterwards, `text` what was written.

    `details` by kind: responded has resolution_type and response_time_s; escalated has team,
    original_priority, old_priority and new_priority; rated has score.
    """

    number: int
    kind: str
    at: Moment
    status: TicketStatus
    text: str
    details: dict[str, str | float]


class TicketHistoryBody(TicketBody):
    """A ticket with everything that happened to it, oldest first."""

    history: list[TicketEventBody]


class TicketFilter(Body):
    """Which tickets to list; what is not given filters nothing."""

    status: TicketStatus | None = None
    priority: Priority | None = None
    user_id: UserId | None = None
    limit: int = Field(50, ge=1, le=MAX_TICKETS_PER_PAGE)
    after: PageMark | None = None


class TicketPage(BaseModel):
    """Tickets, newest first; `next` is what to pass as `after` for older ones."""

    tickets: list[TicketBody]
    next: str | None


@dataclass(frozen=True, slots=True)
class HelpfulSolutionBody(FromCore, HelpfulSolution):
    """What solved a similar ticket; `similarity` is the cosine of the issues, null if not known."""


class MemoryContextBody(FromCore, BaseModel):
    """Memory about this ticket: the customer's earlier tickets, newest first, and what solved others."""

    earlier_tickets: list[TicketBody]
    similar_solutions: list[HelpfulSolutionBody]

    @classmethod
    def from_memory(cls, memory: MemoryContext) -> Self:
        """The body of a context."""
        return cls.of(memory, earlier_tickets=[TicketBody.of(ticket) for ticket in memory.earlier_tickets])


class ResponseBody(FromCore, BaseModel):
    """A response that was given. `response_time_s` counts from the opening, or the last reopening.

    `memory_context` is null without `enable_memory`.
    """

    ticket_id: str
    response: str
    resolution_type: ResolutionType
    status: TicketStatus
    response_time_s: Seconds
    responded_at: Moment
    memory_context: MemoryContextBody | None
    ticket: TicketBody

    @classmethod
    def from_outcome(cls, made: TicketOutcome) -> Self:
        """The body of a response that was given."""
        return cls.of(
            made.ticket,
            response=made.event.text,
            resolution_type=made.event.details["resolution_type"],
            response_time_s=made.event.details["response_time_s"],
            responded_at=made.event.at_s,
            memory_context=None if made.memory is None else MemoryContextBody.from_memory(made.memory),
            ticket=TicketBody.of(made.ticket),
        )


class EscalationBody(FromCore, BaseModel):
    """An escalation. `original_priority` is the priority that the ticket was opened with."""

    ticket_id: str
    escalation_reason: str
    escalation_team: str
    original_priority: Priority
    new_priority: Priority
    escalated_at: Moment
    ticket: TicketBody

    @classmethod
    def from_outcome(cls, made: TicketOutcome) -> Self:
        """The body of an escalation that was made."""
        return cls.of(
            made.ticket,
            escalation_reason=made.event.text,
            escalation_team=made.event.details["team"],
            new_priority=made.ticket.priority,
            escalated_at=made.event.at_s,
            ticket=TicketBody.of(made.ticket),
        )
