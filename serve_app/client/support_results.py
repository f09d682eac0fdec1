"""What the support agent's methods return, apart from answers.

A time is a string in ISO 8601, in UTC. A rate is in percent.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, TypedDict

TicketStatus: TypeAlias = Literal["open", "responded", "escalated", "reopened", "resolved", "closed"]
Priority: TypeAlias = Literal["low", "medium", "high", "urgent"]
ResolutionType: TypeAlias = Literal["answered", "information_requested", "workaround", "resolved"]
Box: TypeAlias = list[list[float]]
"""Corners as [x, y]: top left, top right, bottom right, bottom left."""


class Ticket(TypedDict):
    """A support ticket."""

    ticket_id: str
    user_id: str
    issue_description: str
    status: TicketStatus
    priority: Priority
    original_priority: Priority  # when it was opened
    created_at: str
    updated_at: str
    sla_deadline: str
    sla_breached: bool  # it was unresolved after its deadline at least once
    first_response_at: str | None
    resolved_at: str | None
    escalations: int
    reopenings: int
    escalation_team: str | None
    resolution_type: ResolutionType | None
    solution: str | None
    rating: int | None  # 1 (bad) to 5


class SimilarSolution(TypedDict):
    """What solved a similar ticket."""

    ticket_id: str
    issue_description: str
    solution: str
    similarity: float | None  # cosine of the two issues
    rating: int | None  # 1 (bad) to 5


class MemoryContext(TypedDict):
    """What memory knows that helps with a ticket."""

    earlier_tickets: list[Ticket]  # of the same customer, newest first
    similar_solutions: list[SimilarSolution]


class TicketResponse(TypedDict):
    """A response to a customer."""

    ticket_id: str
    response: str
    resolution_type: ResolutionType
    status: TicketStatus
    response_time_s: float  # since the ticket was opened, or last reopened
    responded_at: str
    memory_context: MemoryContext | None  # None without memory
    ticket: Ticket


class Escalation(TypedDict):
    """An escalation of a ticket."""

    ticket_id: str
    escalation_reason: str
    escalation_team: str
    original_priority: Priority  # when the ticket was opened
    new_priority: Priority
    escalated_at: str
    ticket: Ticket


class Passage(TypedDict):
    """A passage of the knowledge base."""

    doc_id: str
    title: str
    heading: str
    section: str | None
    version: int
    text: str
    score: float  # fused rank of full text and vector search
    similarity: float | None  # cosine with the query
    url: str | None  # of the document
    start: int | None  # the passage is made from the document's content[start:end]
    end: int | None


class KnowledgeSearch(TypedDict):
    """Passages that a search found."""

    query: str
    category: str | None
    total_results: int
    results: list[Passage]  # best first


class Period(TypedDict):
    """A period of time."""

    start: str
    end: str  # not included


class Durations(TypedDict):
    """How long something took. Without any durations, both figures are None."""

    count: int
    median_s: float | None
    p95_s: float | None  # 95 % took no longer


class Satisfaction(TypedDict):
    """Customers' ratings, 1 (bad) to 5."""

    ratings: int  # how many there are
    mean: float | None


class Topic(TypedDict):
    """A word in the tickets' issues."""

    term: str
    tickets: int  # that have it


class SupportReport(TypedDict):
    """Figures of the tickets that were opened in a period, as of `generated_at`."""

    period: Period
    generated_at: str
    empty: bool  # no ticket was opened
    note: str | None  # says so
    tickets: int
    by_status: dict[TicketStatus, int]
    by_priority: dict[Priority, int]
    first_response: Durations  # since opening
    resolution: Durations  # since opening
    sla_breaches: int
    sla_breach_rate: float | None
    escalated: int
    escalation_rate: float | None
    reopened: int
    satisfaction: Satisfaction
    top_topics: list[Topic]


class TextLine(TypedDict):
    """A line of text in an image."""

    text: str
    confidence: float  # 0 to 1
    box: Box  # in fractions of the image's width and height
    box_px: Box  # in pixels


class TicketImage(TypedDict):
    """The text of an image, to use instead of the image.

    The last three fields are None when no issues were expected.
    """

    valid: bool  # has text and, if issues were expected, at least one of them
    compressed_markdown: str
    word_count: int
    has_content: bool
    grounding_boxes: list[TextLine]
    dropped_lines: int  # repetitions that were left out
    media_type: str
    width_px: int
    height_px: int
    tokens_used: int  # of the Markdown
    baseline_tokens: int  # that a vision model charges for an image of this size
    baseline_formula: str  # that model, and how it counts
    compression_ratio: float | None  # `baseline_tokens` / `tokens_used`
    savings_percent: float | None
    execution_time_ms: float
    detected_issues: list[str] | None
    missing_issues: list[str] | None
    urgency_high: bool | None
