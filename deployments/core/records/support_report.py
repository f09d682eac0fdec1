"""What happened to the tickets of a period, in figures. Times are seconds, rates percent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployments.core.records.tickets import Priority, TicketStatus


@dataclass(frozen=True, slots=True)
class Period:
    """From `start_s` to before `end_s`, Unix seconds."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Spread:
    """How `count` durations lie: the middle one, and the one that 95 % do not exceed. None without any."""

    count: int
    median_s: float | None
    p95_s: float | None


@dataclass(frozen=True, slots=True)
class Topic:
    """A word, and how many of the period's tickets have it in their issue."""

    term: str
    tickets: int


@dataclass(frozen=True, slots=True)
class SupportReport:
    """Figures of the tickets that were opened in a period, as they stood at `made_at_s`.

    `first_response` runs from opening to the first response, `resolution` from opening to the (last)
    solution of those now resolved or closed. `sla_breaches` counts tickets that ever were unresolved
    behind their deadline. `mean_rating` is of the `ratings` given, 1 to 5; rates and means are None where
    there is nothing to count.
    """

    period: Period
    made_at_s: float
    tickets: int
    by_status: Mapping[TicketStatus, int]
    by_priority: Mapping[Priority, int]
    first_response: Spread
    resolution: Spread
    sla_breaches: int
    sla_breach_rate: float | None
    escalated: int
    escalation_rate: float | None
    reopened: int
    ratings: int
    mean_rating: float | None
    top_topics: tuple[Topic, ...]
