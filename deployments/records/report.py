"""The figures of a support report, counted from tickets. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean, median

from deployments.core.records.support_report import Period, ReportedTicket, Spread, SupportReport, Topic
from deployments.core.records.tickets import Priority, TicketStatus
from deployments.core.words import COMMON_WORDS, words_of
from deployments.records.ticket_life import is_breached

TOPICS = 10
_MIN_TICKETS_OF_A_TOPIC = 2
_MIN_CHARS_OF_A_TOPIC = 3
_COURTESIES = (
    "also dear get getting hello help hi issue need please problem regards still thank thanks today tried "
    "try trying want"
)
_SMALL_TALK = frozenset(_COURTESIES.split())
"""Words that are in nearly every ticket, so they are not topics."""


def report_of(tickets: Sequence[ReportedTicket], period: Period, now_s: float) -> SupportReport:
    """Returns the report on a period. `tickets` are all that were opened in it."""
    statuses = Counter(ticket.status for ticket in tickets)
    priorities = Counter(ticket.priority for ticket in tickets)
    breaches = sum(is_breached(ticket, now_s) for ticket in tickets)
    escalated = sum(ticket.escalations > 0 for ticket in tickets)
    ratings = [ticket.rating for ticket in tickets if ticket.rating is not None]
    return SupportReport(
        period=period,
        made_at_s=now_s,
        tickets=len(tickets),
        by_status={status: statuses[status] for status in TicketStatus},
        by_priority={priority: priorities[priority] for priority in Priority},
        first_response=spread(_since_opening(tickets, [ticket.first_response_at_s for ticket in tickets])),
        resolution=spread(_since_opening(tickets, [ticket.resolved_at_s for ticket in tickets])),
        sla_breaches=breaches,
        sla_breach_rate=_percent(breaches, len(tickets)),
        escalated=escalated,
        escalation_rate=_percent(escalated, len(tickets)),
        reopened=sum(ticket.reopenings > 0 for ticket in tickets),
        ratings=len(ratings),
        mean_rating=round(fmean(ratings), 2) if ratings else None,
        top_topics=top_topics([ticket.issue_description for ticket in tickets]),
    )


def spread(durations_s: Iterable[float]) -> Spread:
    """Returns count, median and 95th percentile (by nearest rank, so it is one of the durations)."""
    ordered = sorted(durations_s)
    if not ordered:
        return Spread(0, None, None)
    rank = -(-len(ordered) * 95 // 100)
    return Spread(len(ordered), median(ordered), ordered[rank - 1])


def top_topics(issues: Iterable[str]) -> tuple[Topic, ...]:
    """Returns the words that most issues share, counted once per issue, most frequent first.

    A word that is in one issue only is not a topic.
    """
    counts: Counter[str] = Counter()
    for issue in issues:
        counts.update(set(filter(_can_be_topic, words_of(issue.casefold()))))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Topic(*item) for item in ranked[:TOPICS] if item[1] >= _MIN_TICKETS_OF_A_TOPIC)


def _can_be_topic(word: str) -> bool:
    is_common = word in COMMON_WORDS or word in _SMALL_TALK
    return len(word) >= _MIN_CHARS_OF_A_TOPIC and not word.isdigit() and not is_common


def _since_opening(tickets: Sequence[ReportedTicket], moments_s: Sequence[float | None]) -> list[float]:
    pairs = zip(tickets, moments_s, strict=True)
    return [moment_s - ticket.created_at_s for ticket, moment_s in pairs if moment_s is not None]


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 1) if whole else None
