"""A report's figures follow from its tickets; without tickets, it has no rates."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from hypothesis import given
from hypothesis import strategies as st

from deployments.core.records.support_report import Period, ReportedTicket, Spread, Topic
from deployments.core.records.tickets import Close, Escalate, Priority, Rate, Reopen, Resolve, Respond
from deployments.records.report import report_of, spread, top_topics
from tests.fake_records import reported
from tests.unit.records.samples import HOUR_S, a_ticket, lived

PERIOD = Period(0.0, 100 * HOUR_S)
NOW_S = 50 * HOUR_S


def tickets() -> Sequence[ReportedTicket]:
    """Four tickets: solved at once, solved late, escalated and unsolved, reopened."""
    lives = (
        lived(
            a_ticket(Priority.LOW, "Invoice export fails"),
            (60.0, Respond("?")),
            (120.0, Resolve("a")),
            (130.0, Rate("ann", 5)),
            (140.0, Close()),
        ),
        lived(
            a_ticket(Priority.URGENT, "Export of an invoice is empty"),
            (600.0, Respond("!")),
            (5 * HOUR_S, Resolve("b")),
            (5 * HOUR_S, Rate("ann", 2)),
        ),
        lived(a_ticket(Priority.HIGH, "Password", at_s=49 * HOUR_S), (50 * HOUR_S, Escalate("x", "y"))),
        lived(a_ticket(Priority.LOW, "Login"), (100.0, Resolve("c")), (200.0, Reopen("no"))),
    )
    return [reported(ticket) for ticket in lives]


def test_the_figures_follow_from_the_tickets() -> None:
    report = report_of(tickets(), PERIOD, NOW_S)
    assert report.tickets == 4
    assert {k.value: v for k, v in report.by_status.items() if v} == {
        "closed": 1,
        "resolved": 1,
        "escalated": 1,
        "reopened": 1,
    }
    assert dict(report.by_priority) == {"low": 2, "medium": 0, "high": 0, "urgent": 2}
    assert report.first_response == Spread(2, 330.0, 600.0)
    assert report.resolution == Spread(2, (120 + 5 * HOUR_S) / 2, 5 * HOUR_S)
    assert (report.sla_breaches, report.sla_breach_rate) == (1, 25.0)
    assert (report.escalated, report.escalation_rate, report.reopened) == (1, 25.0, 1)
    assert (report.ratings, report.mean_rating) == (2, 3.5)
    assert report.top_topics == (Topic("export", 2), Topic("invoice", 2))


def test_time_that_passes_makes_breaches() -> None:
    """Open tickets become overdue; solved ones do not."""
    assert report_of(tickets(), PERIOD, 1000 * HOUR_S).sla_breaches == 3


def test_an_empty_period_has_no_rates() -> None:
    report = report_of((), PERIOD, NOW_S)
    assert report.tickets == 0
    assert set(report.by_status.values()) == set(report.by_priority.values()) == {0}
    assert report.first_response == report.resolution == Spread(0, None, None)
    assert (report.sla_breach_rate, report.escalation_rate, report.mean_rating) == (None, None, None)
    assert report.top_topics == ()


@given(durations=st.lists(st.floats(0, 1e9), min_size=1))
def test_median_and_p95_are_what_they_are_called(durations: list[float]) -> None:
    """p95 is the smallest of the durations that 95 % of them do not exceed."""
    found = spread(durations)
    assert found.count == len(durations)
    assert found.median_s == median(durations)
    assert found.p95_s in durations
    within = [sum(other <= value for other in durations) for value in durations]
    enough = [v for v, count in zip(durations, within, strict=True) if 100 * count >= 95 * len(durations)]
    assert found.p95_s == min(enough)


def test_topics_count_tickets_not_words_and_skip_common_words() -> None:
    issues = [
        "Please help: PASSWORD password password",
        "the password, please!",
        "Füße 404 404",
        "füße 404",
        "only once",
    ]
    assert top_topics(issues) == (Topic("füsse", 2), Topic("password", 2))


@given(st.lists(st.text(max_size=40), max_size=20))
def test_topics_of_any_texts_are_bounded_and_ordered(issues: list[str]) -> None:
    topics = top_topics(issues)
    assert len(topics) <= 10
    assert [t.tickets for t in topics] == sorted((t.tickets for t in topics), reverse=True)
    assert all(2 <= topic.tickets <= len(issues) for topic in topics)
