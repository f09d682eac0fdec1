"""Tickets are stored completely, listed in pages, changed one at a time, and survive a restart."""

from __future__ import annotations

import asyncio

import pytest

from deployments.core.errors import Conflict, InvalidRequest, NotFound
from deployments.core.ids import TenantId
from deployments.core.records.support_report import Period
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
    TicketDraft,
    TicketQuery,
    TicketStatus,
)
from tests.contract.records.conftest import Open, Records

ACME, OTHER = TenantId("acme"), TenantId("other")


async def create(
    records: Records, issue: str = "The export fails", user: str = "ann", tenant: TenantId = ACME
) -> Ticket:
    return await records.tickets.create_ticket(tenant, TicketDraft(user, issue), None)


async def test_a_whole_life_survives_a_restart(reopen: Open) -> None:
    """Every event, in order, with its text and figures."""
    records = await reopen()
    ticket = await records.tickets.create_ticket(ACME, TicketDraft("änn", "Straße? 🚧", Priority.LOW), None)
    for change in (
        Respond("Which one?", ResolutionType.INFORMATION_REQUESTED),
        Escalate("Too hard", "core", Priority.HIGH),
        Respond("Clear it", ResolutionType.RESOLVED),
        Reopen("No"),
        Resolve("Clear it twice"),
        Rate("änn", 4, "finally"),
        Close("done"),
    ):
        records.clock.pass_s(60)
        outcome = await records.tickets.change_ticket(ACME, ticket.ticket_id, change)
    before = await records.tickets.get_ticket(ACME, ticket.ticket_id)
    await records.close()
    records = await reopen()
    after = await records.tickets.get_ticket(ACME, ticket.ticket_id)
    assert after == before
    assert after.ticket == outcome.ticket
    assert [event.kind for event in after.events] == [
        "created",
        "responded",
        "escalated",
        "responded",
        "reopened",
        "resolved",
        "rated",
        "closed",
    ]
    assert [event.at_s for event in after.events] == [1000.0 + 60 * n for n in range(8)]
    assert after.events[2].details["new_priority"] == "high"
    assert after.events[1].details["response_time_s"] == 60.0
    assert (after.ticket.issue_description, after.ticket.solution) == ("Straße? 🚧", "Clear it twice")
    assert (after.ticket.original_priority, after.ticket.priority) == (Priority.LOW, Priority.HIGH)


async def test_unknown_and_other_tenants_tickets_are_not_found(records: Records) -> None:
    ticket = await create(records)
    unknown = [(ACME, ticket_id) for ticket_id in ("ticket-0", "", "\0", "\ud800", "x" * 1000)]
    for tenant, ticket_id in [(OTHER, ticket.ticket_id), *unknown]:
        with pytest.raises(NotFound):
            await records.tickets.get_ticket(tenant, ticket_id)
        with pytest.raises(NotFound):
            await records.tickets.change_ticket(tenant, ticket_id, Respond("Hi"))
    assert await records.tickets.list_tickets(TicketQuery(OTHER)) == ()
    assert (await records.tickets.support_report(OTHER, Period(0, 1e10))).tickets == 0


async def test_an_illegal_change_leaves_no_trace(records: Records) -> None:
    ticket = await create(records)
    with pytest.raises(Conflict):
        await records.tickets.change_ticket(ACME, ticket.ticket_id, Close())
    found = await records.tickets.get_ticket(ACME, ticket.ticket_id)
    assert (found.ticket, len(found.events)) == (ticket, 1)


async def test_concurrent_changes_of_a_ticket_see_each_other(records: Records) -> None:
    """Ten calls try to resolve it: one does, and the others get a conflict."""
    ticket = await create(records)
    tried = [
        records.tickets.change_ticket(ACME, ticket.ticket_id, Resolve(f"way {n}", use_memory=False))
        for n in range(10)
    ]
    results = await asyncio.gather(*tried, return_exceptions=True)
    assert sum(isinstance(result, Conflict) for result in results) == 9
    found = await records.tickets.get_ticket(ACME, ticket.ticket_id)
    assert [event.kind for event in found.events] == ["created", "resolved"]
    escalations = [
        records.tickets.change_ticket(ACME, (await create(records)).ticket_id, Escalate("x", "y"))
        for _ in range(5)
    ]
    assert all(o.ticket.escalations == 1 for o in await asyncio.gather(*escalations))


async def test_the_same_idempotency_key_opens_one_ticket(records: Records) -> None:
    """A repeated call returns the first ticket; another tenant's key is another key."""
    draft = TicketDraft("ann", "Broken")
    first = await records.tickets.create_ticket(ACME, draft, "0123")
    assert await records.tickets.create_ticket(ACME, draft, "0123") == first
    assert len(await records.tickets.list_tickets(TicketQuery(ACME))) == 1
    other = await records.tickets.create_ticket(OTHER, draft, "0123")
    assert other.tenant == OTHER


async def test_pages_list_each_ticket_once_newest_first(records: Records) -> None:
    made = []
    for n in range(7):
        made.append((await create(records, f"issue {n}")).ticket_id)
        await asyncio.sleep(0.002)  # ids that were made in the same millisecond have no order
    seen: list[str] = []
    after = None
    while page := await records.tickets.list_tickets(TicketQuery(ACME, limit=3, after=after)):
        seen += [ticket.ticket_id for ticket in page]
        after = page[-1].ticket_id
        await create(records, "meanwhile")
    assert seen == made[::-1]


async def test_filters_narrow_the_list_before_it_is_cut(records: Records) -> None:
    a = await create(records, "a", "ann")
    b = await create(records, "b", "bob")
    await records.tickets.change_ticket(ACME, b.ticket_id, Escalate("x", "y", Priority.URGENT))

    async def ids(**wanted: object) -> list[str]:
        query = TicketQuery(ACME, 1, **wanted)  # type: ignore[arg-type]
        return [ticket.ticket_id for ticket in await records.tickets.list_tickets(query)]

    assert await ids(user_id="ann") == await ids(status=TicketStatus.OPEN) == [a.ticket_id]
    assert await ids(status=TicketStatus.ESCALATED) == await ids(priority=Priority.URGENT) == [b.ticket_id]
    assert await ids(user_id="ann", priority=Priority.URGENT) == []


async def test_an_overdue_ticket_is_in_breach(records: Records) -> None:
    ticket = await create(records)
    records.clock.pass_s(25 * 3600)
    assert (await records.tickets.get_ticket(ACME, ticket.ticket_id)).ticket.sla_breached
    assert [t.sla_breached for t in await records.tickets.list_tickets(TicketQuery(ACME))] == [True]


async def test_a_report_reads_a_bounded_number_of_tickets_in_pages(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployments.records.ticket_store._PAGE", 2)
    monkeypatch.setattr("deployments.records.ticket_store.MAX_REPORTED", 5)
    for count in range(1, 6):
        await create(records, "Invoice is wrong")
        assert (await records.tickets.support_report(ACME, Period(0.0, 1e10))).tickets == count
    await create(records, "Invoice is wrong")
    with pytest.raises(InvalidRequest, match=r"more than 5 tickets .* ask for a shorter one"):
        await records.tickets.support_report(ACME, Period(0.0, 1e10))


async def test_a_report_counts_what_was_opened_in_its_period(records: Records) -> None:
    """The period includes its start but not its end."""
    for _ in range(3):
        await create(records, "Invoice is wrong")
        records.clock.pass_s(100)
    report = await records.tickets.support_report(ACME, Period(1000.0, 1200.0))
    assert (report.tickets, report.by_status[TicketStatus.OPEN]) == (2, 2)
    assert report.made_at_s == 1300.0
    assert [(topic.term, topic.tickets) for topic in report.top_topics] == [("invoice", 2), ("wrong", 2)]
    assert (await records.tickets.support_report(ACME, Period(2000.0, 3000.0))).tickets == 0
