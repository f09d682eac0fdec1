"""The state machine of tickets: which change is allowed when, what it changes, and its event."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import Conflict, Forbidden, InvalidRequest
from deployments.core.records.tickets import (
    Close,
    Escalate,
    Priority,
    Rate,
    Reopen,
    ResolutionType,
    Resolve,
    Respond,
    Ticket,
    TicketChange,
    TicketDraft,
    TicketEvent,
    TicketStatus,
)
from deployments.records.ticket_life import changed, is_breached, opened
from tests.unit.records.samples import ACME, HOUR_S, a_ticket, lived

ANSWER = Respond("Try again")
SOLVED = Respond("Clear the cache", ResolutionType.RESOLVED)
ESCALATE = Escalate("Too hard", "backend")
RESOLVE = Resolve("Clear the cache")
REOPEN = Reopen("It is back")
CLOSE = Close()
RATE = Rate("ann", 5)

# The documented transitions, written down a second time: kind of change -> status -> the next status.
LIFE: dict[str, dict[str, str]] = {
    "respond": dict.fromkeys(("open", "responded", "escalated", "reopened"), "responded"),
    "respond: resolved": dict.fromkeys(("open", "responded", "escalated", "reopened"), "resolved"),
    "escalate": dict.fromkeys(("open", "responded", "escalated", "reopened"), "escalated"),
    "resolve": dict.fromkeys(("open", "responded", "escalated", "reopened"), "resolved"),
    "close": {"resolved": "closed"},
    "reopen": {"resolved": "reopened", "closed": "reopened"},
    "rate": {"resolved": "resolved", "closed": "closed"},
}
CHANGES: dict[str, TicketChange] = {
    "respond": ANSWER,
    "respond: resolved": SOLVED,
    "escalate": ESCALATE,
    "resolve": RESOLVE,
    "close": CLOSE,
    "reopen": REOPEN,
    "rate": RATE,
}
steps = st.lists(st.tuples(st.sampled_from(sorted(CHANGES)), st.floats(-HOUR_S, 48 * HOUR_S)), max_size=15)


@given(priority=st.sampled_from(Priority), taken=steps)
def test_any_sequence_of_changes_follows_the_documented_life(
    priority: Priority, taken: list[tuple[str, float]]
) -> None:
    """Allowed changes lead to the right status, others are conflicts; the history only grows."""
    ticket, now_s = a_ticket(priority), 0.0
    history: list[TicketEvent] = []
    for kind, passed_s in taken:
        now_s += passed_s  # clocks are set back, too
        following = LIFE[kind].get(ticket.status)
        if following is None:
            with pytest.raises(Conflict):
                changed(ticket, CHANGES[kind], now_s)
            continue
        after, event = changed(ticket, CHANGES[kind], now_s)
        assert after.status == event.status == following
        history.append(event)
        check_invariants(ticket, after, history)
        ticket = after


def check_invariants(before: Ticket, after: Ticket, history: list[TicketEvent]) -> None:
    """Checks what holds after every change."""
    assert [event.number for event in history] == list(range(2, after.events + 1))
    assert [event.at_s for event in history] == sorted(event.at_s for event in history)
    assert after.updated_at_s == history[-1].at_s >= before.updated_at_s
    same = ("ticket_id", "tenant", "user_id", "issue_description", "original_priority", "created_at_s")
    assert all(getattr(before, name) == getattr(after, name) for name in same)
    assert list(Priority).index(after.priority) >= list(Priority).index(before.priority)
    assert after.sla_breached >= before.sla_breached
    assert before.first_response_at_s in (None, after.first_response_at_s)
    ended = after.status in {"resolved", "closed"}
    assert ended == (after.solution is not None) == (after.resolved_at_s is not None)
    assert after.rating is None or ended
    kinds = [event.kind for event in history]
    assert (after.escalations, after.reopenings) == (kinds.count("escalated"), kinds.count("reopened"))


def test_a_conflict_says_what_is_possible() -> None:
    with pytest.raises(Conflict, match=r"open can't be closed; it can be responded to, escalated, resolved$"):
        changed(a_ticket(), CLOSE, 1.0)


def test_opening_makes_an_event_with_all_of_the_draft() -> None:
    ticket, event = opened(ACME, "ticket-1", TicketDraft("ann", "Broken", Priority.HIGH), 5.0)
    assert (ticket.status, ticket.priority, ticket.user_id) == ("open", "high", "ann")
    assert event == TicketEvent(
        1, "created", 5.0, TicketStatus.OPEN, "Broken", {"user_id": "ann", "priority": "high"}
    )


@pytest.mark.parametrize(("priority", "hours"), [("urgent", 4), ("high", 8), ("medium", 24), ("low", 72)])
def test_the_deadline_follows_from_the_priority(priority: str, hours: float) -> None:
    """A ticket is in breach only after its deadline."""
    ticket = a_ticket(Priority(priority), at_s=100.0)
    assert ticket.sla_deadline_s == 100.0 + hours * HOUR_S
    assert not is_breached(ticket, ticket.sla_deadline_s)
    assert is_breached(ticket, ticket.sla_deadline_s + 1)


def test_resolved_in_time_is_never_a_breach_and_too_late_always_is() -> None:
    ticket = a_ticket(Priority.HIGH)
    assert not is_breached(lived(ticket, (7 * HOUR_S, RESOLVE)), 900 * HOUR_S)
    late = lived(ticket, (9 * HOUR_S, RESOLVE), (10 * HOUR_S, REOPEN), (10 * HOUR_S, RESOLVE))
    assert is_breached(late, 10 * HOUR_S)


def test_a_response_has_its_real_time_and_the_first_one_stays_the_first() -> None:
    ticket, event = changed(a_ticket(at_s=10.0), ANSWER, 70.0)
    assert event.details == {"resolution_type": "answered", "response_time_s": 60.0}
    ticket = lived(ticket, (80.0, RESOLVE), (200.0, REOPEN))
    ticket, event = changed(ticket, SOLVED, 230.0)
    assert event.details["response_time_s"] == 30.0
    assert ticket.first_response_at_s == 70.0
    assert (ticket.solution, ticket.resolution_type) == ("Clear the cache", "resolved")


def test_an_escalation_goes_one_step_up_and_keeps_the_original_priority() -> None:
    ticket, event = changed(a_ticket(Priority.LOW), ESCALATE, HOUR_S)
    assert event.details == {
        "team": "backend",
        "original_priority": "low",
        "old_priority": "low",
        "new_priority": "medium",
    }
    assert ticket.sla_deadline_s == 25 * HOUR_S
    ticket, event = changed(ticket, Escalate("Worse", "core", Priority.URGENT), 2 * HOUR_S)
    assert (event.details["original_priority"], event.details["old_priority"]) == ("low", "medium")
    assert (ticket.priority, ticket.original_priority) == ("urgent", "low")
    assert (ticket.escalation_team, ticket.escalations) == ("core", 2)
    assert lived(ticket, (3 * HOUR_S, ESCALATE)).priority == "urgent"


def test_an_escalation_never_moves_a_deadline_away_nor_lowers_a_priority() -> None:
    ticket = lived(a_ticket(Priority.URGENT), (3 * HOUR_S, ESCALATE))
    assert ticket.sla_deadline_s == 4 * HOUR_S
    with pytest.raises(InvalidRequest) as refused:
        changed(ticket, Escalate("Never mind", "first level", Priority.LOW), 4 * HOUR_S)
    assert refused.value.param == "new_priority"


def test_reopening_removes_the_solution_and_sets_a_new_deadline() -> None:
    solved = lived(a_ticket(), (1.0, RESOLVE), (2.0, RATE))
    assert (solved.solution, solved.rating, solved.solution_in_memory) == ("Clear the cache", 5, True)
    ticket = lived(solved, (100.0, REOPEN))
    assert (ticket.solution, ticket.rating, ticket.solution_in_memory) == (None, None, False)
    assert ticket.sla_deadline_s == 100.0 + 24 * HOUR_S


def test_memory_is_not_used_when_it_is_switched_off() -> None:
    """Neither for the ticket nor for its solution."""
    without = opened(ACME, "t", TicketDraft("ann", "Broken", use_memory=False), 0.0).ticket
    assert not without.in_memory
    assert not lived(without, (1.0, replace(RESOLVE, use_memory=False))).solution_in_memory
    assert not lived(without, (1.0, replace(SOLVED, use_memory=False))).solution_in_memory


def test_only_the_customer_can_rate_and_may_change_the_rating() -> None:
    solved = lived(a_ticket(), (1.0, RESOLVE))
    with pytest.raises(Forbidden):
        changed(solved, Rate("bob", 1), 2.0)
    ticket = lived(solved, (2.0, Rate("ann", 2, "meh")), (3.0, Rate("ann", 4)))
    assert (ticket.rating, ticket.events) == (4, 4)


@pytest.mark.parametrize("score", [0, 6, -1])
def test_a_rating_is_one_to_five(score: int) -> None:
    with pytest.raises(InvalidRequest):
        Rate("ann", score)


@pytest.mark.parametrize("text", ["", "  \n", "\ufeff", "a\0b", "\ud800", "x" * 20_001])
def test_texts_that_cannot_be_stored_are_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        TicketDraft("ann", text)
    assert refused.value.param == "issue_description"
    with pytest.raises(InvalidRequest):
        Respond(text)
    with pytest.raises(InvalidRequest):
        Resolve(text)
