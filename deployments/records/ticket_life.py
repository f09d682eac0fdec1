"""The state machine of tickets, as pure functions. From ticket, change and time to ticket and event:

(created) -> open
open, responded, escalated, reopened --respond--> responded, or resolved if the response says so
open, responded, escalated, reopened --escalate-> escalated
open, responded, escalated, reopened --resolve--> resolved
resolved ---------------------------------close-> closed
resolved, closed -----------------------reopen--> reopened
resolved, closed -------------------------rate--> unchanged
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from deployments.core.errors import Conflict, Forbidden, InvalidRequest
from deployments.core.ids import TenantId
from deployments.core.records.support_report import ReportedTicket
from deployments.core.records.tickets import (
    ENDED,
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

SLA_HOURS: Mapping[Priority, float] = {
    Priority.LOW: 72,
    Priority.MEDIUM: 24,
    Priority.HIGH: 8,
    Priority.URGENT: 4,
}
"""Hours within which a ticket has to be resolved, from its opening, reopening or escalation."""

_URGENCY = list(Priority)
_WORKED_ON = frozenset(TicketStatus) - ENDED
_ALLOWED_IN: Mapping[type[TicketChange], tuple[str, frozenset[TicketStatus]]] = {
    Respond: ("responded to", _WORKED_ON),
    Escalate: ("escalated", _WORKED_ON),
    Resolve: ("resolved", _WORKED_ON),
    Close: ("closed", frozenset({TicketStatus.RESOLVED})),
    Reopen: ("reopened", ENDED),
    Rate: ("rated", ENDED),
}


class Changed(NamedTuple):
    """A ticket after a change, and the event that describes the change."""

    ticket: Ticket
    event: TicketEvent


def opened(tenant: TenantId, ticket_id: str, draft: TicketDraft, now_s: float) -> Changed:
    """Returns a new ticket and its first event."""
    ticket = Ticket(
        tenant=tenant,
        ticket_id=ticket_id,
        user_id=draft.user_id,
        issue_description=draft.issue_description,
        status=TicketStatus.OPEN,
        priority=draft.priority,
        original_priority=draft.priority,
        created_at_s=now_s,
        updated_at_s=now_s,
        waiting_since_s=now_s,
        sla_deadline_s=_deadline_s(draft.priority, now_s),
        in_memory=draft.use_memory,
    )
    details = {"user_id": draft.user_id, "priority": draft.priority.value}
    return Changed(ticket, TicketEvent(1, "created", now_s, ticket.status, draft.issue_description, details))


def changed(ticket: Ticket, change: TicketChange, now_s: float) -> Changed:
    """Returns the ticket after a change. If the clock was set back, takes the time of the last change.

    Raises Conflict (not allowed in this status), Forbidden (rated by another user), InvalidRequest
    (an escalation to a lower priority).
    """
    done_to, statuses = _ALLOWED_IN[type(change)]
    if ticket.status not in statuses:
        raise Conflict(f"a ticket that is {ticket.status} can't be {done_to}; {_possible(ticket.status)}")
    now_s = max(now_s, ticket.updated_at_s)
    current = replace(
        ticket, updated_at_s=now_s, events=ticket.events + 1, sla_breached=is_breached(ticket, now_s)
    )
    apply: Callable[..., Changed] = _APPLY[type(change)]
    return apply(current, change)


def is_breached(ticket: Ticket | ReportedTicket, now_s: float) -> bool:
    """Tells whether the ticket is, or ever was, unresolved after its deadline."""
    return ticket.sla_breached or (ticket.status not in ENDED and now_s > ticket.sla_deadline_s)


def _respond(ticket: Ticket, change: Respond) -> Changed:
    now_s = ticket.updated_at_s
    answered = replace(
        ticket,
        status=TicketStatus.RESPONDED,
        resolution_type=change.resolution_type,
        first_response_at_s=now_s if ticket.first_response_at_s is None else ticket.first_response_at_s,
    )
    if change.resolution_type is ResolutionType.RESOLVED:
        answered = _resolved(answered, change.response, change.use_memory)
    details = {
        "resolution_type": change.resolution_type.value,
        "response_time_s": now_s - ticket.waiting_since_s,
    }
    return Changed(answered, _event(answered, "responded", change.response, details))


def _escalate(ticket: Ticket, change: Escalate) -> Changed:
    step_up = _URGENCY[min(_URGENCY.index(ticket.priority) + 1, len(_URGENCY) - 1)]
    priority = change.new_priority or step_up
    if _URGENCY.index(priority) < _URGENCY.index(ticket.priority):
        message = f"an escalation can't lower the priority from {ticket.priority} to {priority}"
        raise InvalidRequest(message, "new_priority")
    escalated = replace(
        ticket,
        status=TicketStatus.ESCALATED,
        priority=priority,
        escalations=ticket.escalations + 1,
        escalation_team=change.team,
        # An escalation never extends the deadline.
        sla_deadline_s=min(ticket.sla_deadline_s, _deadline_s(priority, ticket.updated_at_s)),
    )
    details = {
        "team": change.team,
        "original_priority": ticket.original_priority.value,
        "old_priority": ticket.priority.value,
        "new_priority": priority.value,
    }
    return Changed(escalated, _event(escalated, "escalated", change.reason, details))


def _resolve(ticket: Ticket, change: Resolve) -> Changed:
    resolved = _resolved(ticket, change.solution, change.use_memory)
    return Changed(resolved, _event(resolved, "resolved", change.solution))


def _reopen(ticket: Ticket, change: Reopen) -> Changed:
    now_s = ticket.updated_at_s
    reopened = replace(
        ticket,
        status=TicketStatus.REOPENED,
        reopenings=ticket.reopenings + 1,
        waiting_since_s=now_s,
        sla_deadline_s=_deadline_s(ticket.priority, now_s),
        # The solution did not solve it.
        resolved_at_s=None,
        solution=None,
        solution_in_memory=False,
        rating=None,
    )
    return Changed(reopened, _event(reopened, "reopened", change.reason))


def _close(ticket: Ticket, change: Close) -> Changed:
    closed = replace(ticket, status=TicketStatus.CLOSED)
    return Changed(closed, _event(closed, "closed", change.note))


def _rate(ticket: Ticket, change: Rate) -> Changed:
    if change.user_id != ticket.user_id:
        raise Forbidden("only the customer who opened the ticket can rate it", "user_id")
    rated = replace(ticket, rating=change.score)
    return Changed(rated, _event(rated, "rated", change.comment, {"score": change.score}))


_APPLY: Mapping[type[TicketChange], Callable[..., Changed]] = {
    Respond: _respond,
    Escalate: _escalate,
    Resolve: _resolve,
    Reopen: _reopen,
    Close: _close,
    Rate: _rate,
}


def _resolved(ticket: Ticket, solution: str, use_memory: bool) -> Ticket:
    return replace(
        ticket,
        status=TicketStatus.RESOLVED,
        resolved_at_s=ticket.updated_at_s,
        solution=solution,
        solution_in_memory=use_memory,
    )


def _event(
    ticket: Ticket, kind: str, text: str, details: Mapping[str, str | float] | None = None
) -> TicketEvent:
    return TicketEvent(ticket.events, kind, ticket.updated_at_s, ticket.status, text, details or {})


def _deadline_s(priority: Priority, from_s: float) -> float:
    return from_s + SLA_HOURS[priority] * 3600


def _possible(status: TicketStatus) -> str:
    verbs = [verb for verb, statuses in _ALLOWED_IN.values() if status in statuses]
    return f"it can be {', '.join(verbs)}"
