"""Tickets for tests."""

from __future__ import annotations

from deployments.core.ids import TenantId
from deployments.core.records.tickets import Priority, Ticket, TicketChange, TicketDraft
from deployments.records.ticket_life import changed, opened

ACME = TenantId("acme")
HOUR_S = 3600.0


def a_ticket(
    priority: Priority = Priority.MEDIUM,
    issue: str = "The export fails",
    at_s: float = 0.0,
    number: int = 1,
) -> Ticket:
    """A ticket opened by user `ann`."""
    draft = TicketDraft("ann", issue, priority)
    return opened(ACME, f"ticket-{number:04}", draft, at_s).ticket


def lived(ticket: Ticket, *changes: tuple[float, TicketChange]) -> Ticket:
    """Returns the ticket after changes, each at its time."""
    for at_s, change in changes:
        ticket = changed(ticket, change, at_s).ticket
    return ticket
