"""Support tickets, and what can happen to one. Times are Unix seconds."""

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
    """Where a ticket is in its life."""

    OPEN = "open"
    RESPONDED = "responded"
    ESCALATED = "escalated"
    REOPENED = "reopened"
    RESOLVED = "resolved"
    CLOSED = "closed"


ENDED = frozenset({TicketStatus.RESOLVED, TicketStatus.CLOSED})
"""Nobody works on these; the others wait for somebody."""


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
    """A ticket to open. Without `use_memory` it is never recalled for the same customer.

    Raises InvalidRequest on texts that can't be stored, as the changes below do.
    """

    user_id: str
    issue_description: str
    priority: Priority = Priority.MEDIUM
    use_memory: bool = True

    def __post_init__(self) -> None:
        check_text(self.user_id, "user_id", MAX_USER_ID_CHARS)
        check_text(self.issue_description, "issue_description", MAX_TICKET_TEXT_CHARS)


@dataclass(frozen=True, slots=True)
class Respond:
    """An answer to the customer. Memory is read for it, and written when it resolves the ticket."""

    response: str
    resolution_type: ResolutionType = ResolutionType.ANSWERED
    use_memory: bool = True

    def __post_init__(self) -> None:
        check_text(self.response, "response", MAX_TICKET_TEXT_CHARS)


@dataclass(frozen=True, slots=True)
class Escalate:
    """Hands the ticket to another team, as more urgent; None is one step up."""

    reason: str
    team: str
    new_priority: Priority | None = None

    def __post_init__(self) -> None:
        check_text(self.reason, "escalation_reason", MAX_REASON_CHARS)
        check_text(self.team, "escalation_team", MAX_TEAM_CHARS)


@dataclass(frozen=True, slots=True)
class Resolve:
    """The issue is solved; `solution` is what helped. Without `use_memory` it is never recalled."""

    solution: str
    use_memory: bool = True

    def __post_init__(self) -> None:
        check_text(self.solution, "solution", MAX_TICKET_TEXT_CHARS)


@dataclass(frozen=True, slots=True)
class Reopen:
    """It was not solved after all."""

    reason: str

    def __post_init__(self) -> None:
        check_text(self.reason, "reason", MAX_REASON_CHARS)


@dataclass(frozen=True, slots=True)
class Close:
    """A resolved ticket is put away."""

    note: str = ""

    def __post_init__(self) -> None:
        check_text(self.note, "note", MAX_REASON_CHARS, may_be_empty=True)


@dataclass(frozen=True, slots=True)
class Rate:
    """What the customer says of the solution: `score` 1 (bad) to 5. A later one replaces an earlier one."""

    user_id: str
    score: int
    comment: str = ""

    def __post_init__(self) -> None:
        check_text(self.user_id, "user_id", MAX_USER_ID_CHARS)
        check_text(self.comment, "comment", MAX_REASON_CHARS, may_be_empty=True)
        if not 1 <= self.score <= 5:
            raise InvalidRequest("score must be 1 to 5", "score")


TicketChange = Respond | Escalate | Resolve | Reopen | Close | Rate


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as it stands.

    `original_priority` is the one it was opened with. `sla_breached` stays once the ticket was unresolved
    behind its deadline. `solution` is what resolved it, `rating` what the customer says of it; both are
    gone when it is reopened, and stay in its events. `events` counts those.
    """

    tenant: TenantId
    ticket_id: str
    user_id: str
    issue_description: str
    status: TicketStatus
    priority: Priority
    original_priority: Priority
    created_at_s: float
    updated_at_s: float
    waiting_since_s: float
    sla_deadline_s: float
    sla_breached: bool = False
    first_response_at_s: float | None = None
    resolved_at_s: float | None = None
    escalations: int = 0
    reopenings: int = 0
    escalation_team: str | None = None
    resolution_type: ResolutionType | None = None
    solution: str | None = None
    rating: int | None = None
    in_memory: bool = True
    solution_in_memory: bool = False
    events: int = 1


@dataclass(frozen=True, slots=True)
class TicketEvent:
    """One thing that happened to a ticket: the `number`th, from 1. `text` is what was written then.

    `kind` is "created", "responded", "escalated", "resolved", "reopened", "closed" or "rated"; `status` is
    the ticket's afterwards. `details` of a response: resolution_type, response_time_s (since the ticket was
    opened or last reopened); of an escalation: team, original_priority, old_priority, new_priority; of a
    creation: user_id, priority; of a rating: score.
    """

    number: int
    kind: str
    at_s: float
    status: TicketStatus
    text: str
    details: Mapping[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TicketHistory:
    """A ticket with all that ever happened to it, oldest first."""

    ticket: Ticket
    events: tuple[TicketEvent, ...]


@dataclass(frozen=True, slots=True)
class HelpfulSolution:
    """What solved a similar ticket. `similarity` is as in `Passage`, `rating` that customer's, if given."""

    ticket_id: str
    issue_description: str
    solution: str
    similarity: float | None
    rating: int | None


@dataclass(frozen=True, slots=True)
class MemoryContext:
    """What is known that helps with a ticket: the customer's earlier ones, newest first, and solutions."""

    earlier_tickets: tuple[Ticket, ...]
    similar_solutions: tuple[HelpfulSolution, ...]


@dataclass(frozen=True, slots=True)
class TicketOutcome:
    """A change that was made. `memory` is given to responses that use it."""

    ticket: Ticket
    event: TicketEvent
    memory: MemoryContext | None = None


@dataclass(frozen=True, slots=True)
class TicketQuery:
    """Tickets to list, newest first, at most `limit` of those older than `after`. None filters nothing."""

    tenant: TenantId
    limit: int = 50
    after: str | None = None
    status: TicketStatus | None = None
    priority: Priority | None = None
    user_id: str | None = None

    def __post_init__(self) -> None:
        # One more than a page tells whether there is another one.
        if not 1 <= self.limit <= MAX_TICKETS_PER_PAGE + 1:
            raise InvalidRequest(f"limit must be 1 to {MAX_TICKETS_PER_PAGE}", "limit")
        if self.user_id is not None:
            check_text(self.user_id, "user_id", MAX_USER_ID_CHARS)
        if self.after is not None:
            check_text(self.after, "after", MAX_USER_ID_CHARS)
