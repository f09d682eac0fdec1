"""Support tickets and their changes. Times are in Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from deployments.core.errors import InvalidRequest
from deployments.core.ids import TenantId
from deployments.core.limits import MAX_USER_ID_CHARS
from deployments.core.texts import check_text

MAX_TICKET_TEXT_CHARS = 20_000
MAX_REASON_CHARS = 4_000
MAX_TEAM_CHARS = 100
MAX_TICKETS_PER_PAGE = 500


class TicketStatus(StrEnum):
    """The state of a ticket."""

    OPEN = "open"
    RESPONDED = "responded"
    ESCALATED = "escalated"
    REOPENED = "reopened"
    RESOLVED = "resolved"
    CLOSED = "closed"


ENDED = frozenset({TicketStatus.RESOLVED, TicketStatus.CLOSED})
"""States in which nobody works on a ticket."""


class Priority(StrEnum):
    """How soon a ticket is due, least urgent first."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    URGENT = "urgent"


class ResolutionType(StrEnum):
    """What a response does for the customer; `resolved` resolves the ticket."""

    ANSWERED = "answered"
    INFORMATION_REQUESTED = "information_requested"
    WORKAROUND = "workaround"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class TicketDraft:
    """A ticket to open. Raises InvalidRequest on texts that can't be stored, as the changes below do."""

    user_id: str
    issue_description: str
    priority: Priority = Priority.MEDIUM
    use_memory: bool = True
    """False: the ticket is never recalled for other tickets of the same customer."""

    def __post_init__(self) -> None:
        check_text(self.user_id, "user_id", MAX_USER_ID_CHARS)
        check_text(self.issue_description, "issue_description", MAX_TICKET_TEXT_CHARS)


@dataclass(frozen=True, slots=True)
class Respond:
    """Answers the customer."""

    response: str
    resolution_type: ResolutionType = ResolutionType.ANSWERED
    use_memory: bool = True
    """Whether memory is read for the response, and written if the response resolves the ticket."""

    def __post_init__(self) -> None:
        check_text(self.response, "response", MAX_TICKET_TEXT_CHARS)


@dataclass(frozen=True, slots=True)
class Escalate:
    """Gives the ticket to another team and raises its priority."""

    reason: str
    team: str
    new_priority: Priority | None = None
    """None: one step up."""

    def __post_init__(self) -> None:
        check_text(self.reason, "escalation_reason", MAX_REASON_CHARS)
        check_text(self.team, "escalation_team", MAX_TEAM_CHARS)


@dataclass(frozen=True, slots=True)
class Resolve:
    """Resolves the ticket."""

    solution: str
    """What solved the issue."""
    use_memory: bool = True
    """False: the solution is never recalled for other tickets."""

    def __post_init__(self) -> None:
        check_text(self.solution, "solution", MAX_TICKET_TEXT_CHARS)


@dataclass(frozen=True, slots=True)
class Reopen:
    """Reopens a ticket that was not solved after all."""

    reason: str

    def __post_init__(self) -> None:
        check_text(self.reason, "reason", MAX_REASON_CHARS)


@dataclass(frozen=True, slots=True)
class Close:
    """Closes a resolved ticket."""

    note: str = ""

    def __post_init__(self) -> None:
        check_text(self.note, "note", MAX_REASON_CHARS, may_be_empty=True)


@dataclass(frozen=True, slots=True)
class Rate:
    """The customer's rating of the solution. A later rating replaces an earlier one."""

    user_id: str
    score: int
    """1 (bad) to 5."""
    comment: str = ""

    def __post_init__(self) -> None:
        check_text(self.user_id, "user_id", MAX_USER_ID_CHARS)
        check_text(self.comment, "comment", MAX_REASON_CHARS, may_be_empty=True)
        if not 1 <= self.score <= 5:
            raise InvalidRequest("score must be 1 to 5", "score")


TicketChange = Respond | Escalate | Resolve | Reopen | Close | Rate


@dataclass(frozen=True, slots=True)
class Ticket:
    """The present state of a ticket."""

    tenant: TenantId
    ticket_id: str
    user_id: str
    issue_description: str
    status: TicketStatus
    priority: Priority
    original_priority: Priority
    """The priority that it was opened with."""
    created_at_s: float
    updated_at_s: float
    waiting_since_s: float
    """When it was opened or last reopened."""
    sla_deadline_s: float
    sla_breached: bool = False
    """Whether it was ever unresolved after its deadline."""
    first_response_at_s: float | None = None
    resolved_at_s: float | None = None
    escalations: int = 0
    reopenings: int = 0
    escalation_team: str | None = None
    resolution_type: ResolutionType | None = None
    solution: str | None = None
    """What resolved it. Reopening clears it; the ticket's events keep it."""
    rating: int | None = None
    """The customer's score, 1 to 5. Reopening clears it; the ticket's events keep it."""
    in_memory: bool = True
    """Whether it may be recalled for other tickets of the customer."""
    solution_in_memory: bool = False
    """Whether its solution may be recalled for similar tickets."""
    events: int = 1
    """Number of its events."""


@dataclass(frozen=True, slots=True)
class TicketEvent:
    """One event of a ticket's history."""

    number: int
    """From 1."""
    kind: str
    """"created", "responded", "escalated", "resolved", "reopened", "closed" or "rated"."""
    at_s: float
    status: TicketStatus
    """The ticket's status after the event."""
    text: str
    """Issue, response, reason, solution, note or comment."""
    details: Mapping[str, str | float] = field(default_factory=dict)
    """Of a creation: user_id, priority. Of a response: resolution_type, response_time_s (since the
    ticket was opened or last reopened). Of an escalation: team, original_priority, old_priority,
    new_priority. Of a rating: score."""


@dataclass(frozen=True, slots=True)
class TicketHistory:
    """A ticket with all its events."""

    ticket: Ticket
    events: tuple[TicketEvent, ...]
    """Oldest first."""


@dataclass(frozen=True, slots=True)
class HelpfulSolution:
    """The solution of a similar ticket."""

    ticket_id: str
    issue_description: str
    solution: str
    similarity: float | None
    """As in `Passage`."""
    rating: int | None
    """The score of that ticket's customer, 1 to 5; None if there is none."""


@dataclass(frozen=True, slots=True)
class MemoryContext:
    """Stored tickets that help with a ticket."""

    earlier_tickets: tuple[Ticket, ...]
    """Of the same customer, newest first."""
    similar_solutions: tuple[HelpfulSolution, ...]
    """Of similar tickets."""


@dataclass(frozen=True, slots=True)
class TicketOutcome:
    """The result of a change."""

    ticket: Ticket
    """After the change."""
    event: TicketEvent
    """The change, as the history records it."""
    memory: MemoryContext | None = None
    """For a response with `use_memory`; else None."""


@dataclass(frozen=True, slots=True)
class TicketQuery:
    """Tickets to list. A filter that is None does not filter."""

    tenant: TenantId
    limit: int = 50
    """Most tickets to return."""
    after: str | None = None
    """Only tickets older than the one with this id."""
    status: TicketStatus | None = None
    priority: Priority | None = None
    user_id: str | None = None

    def __post_init__(self) -> None:
        # A caller asks for one ticket more than a page has, to know whether there is another page.
        if not 1 <= self.limit <= MAX_TICKETS_PER_PAGE + 1:
            raise InvalidRequest(f"limit must be 1 to {MAX_TICKETS_PER_PAGE}", "limit")
        if self.user_id is not None:
            check_text(self.user_id, "user_id", MAX_USER_ID_CHARS)
        if self.after is not None:
            check_text(self.after, "after", MAX_USER_ID_CHARS)
