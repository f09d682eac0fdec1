"""Figures on the tickets of a period. Times are in seconds, rates in percent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployments.core.records.tickets import Priority, TicketStatus


@dataclass(frozen=True, slots=True)
class Period:
    """A period of time."""

    start_s: float
    """Unix seconds, included."""
    end_s: float
    """Unix seconds, excluded."""


@dataclass(frozen=True, slots=True)
class ReportedTicket:
    """What a report reads of a ticket. The fields are those of `Ticket`."""

    issue_description: str
    """Only its beginning."""
    status: TicketStatus
    priority: Priority
    created_at_s: float
    sla_deadline_s: float
    sla_breached: bool
    first_response_at_s: float | None
    resolved_at_s: float | None
    escalations: int
    reopenings: int
    rating: int | None


@dataclass(frozen=True, slots=True)
class Spread:
    """Distribution of some durations."""

    count: int
    median_s: float | None
    """None if `count` is 0."""
    p95_s: float | None
    """95th percentile; None if `count` is 0."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A word of the tickets' issues."""

    term: str
    tickets: int
    """Tickets of the period whose issue contains it."""


@dataclass(frozen=True, slots=True)
class SupportReport:
    """Figures on the tickets that were opened in a period. Rates and means are None if there is none."""

    period: Period
    made_at_s: float
    """When the tickets were counted, Unix seconds."""
    tickets: int
    """Number of tickets."""
    by_status: Mapping[TicketStatus, int]
    by_priority: Mapping[Priority, int]
    first_response: Spread
    """From opening to the first response."""
    resolution: Spread
    """From opening to the last solution, of the tickets that are resolved or closed now."""
    sla_breaches: int
    """Tickets that were unresolved at some time after their deadline."""
    sla_breach_rate: float | None
    escalated: int
    """Tickets that were ever escalated."""
    escalation_rate: float | None
    reopened: int
    """Tickets that were ever reopened."""
    ratings: int
    """Tickets with a rating."""
    mean_rating: float | None
    """1 to 5."""
    top_topics: tuple[Topic, ...]
