"""Memory recalls the customer's own tickets and others' solutions, if they may be recalled."""

from __future__ import annotations

import pytest

from deployments.core.errors import NotFound
from deployments.core.ids import DocId, Scope, TenantId
from deployments.core.records.tickets import (
    MemoryContext,
    Rate,
    Reopen,
    ResolutionType,
    Resolve,
    Respond,
    Ticket,
    TicketDraft,
)
from deployments.records.memory import COLLECTION
from tests.contract.records.conftest import Records

ACME, OTHER = TenantId("acme"), TenantId("other")
ISSUE = "The invoice export fails with error 500"
LIKE_IT = "Error 500 when I export an invoice"


async def solved(
    records: Records,
    issue: str = ISSUE,
    solution: str = "Pick a shorter period",
    user: str = "bob",
    tenant: TenantId = ACME,
    use_memory: bool = True,
) -> Ticket:
    draft = TicketDraft(user, issue, use_memory=use_memory)
    ticket = await records.tickets.create_ticket(tenant, draft, None)
    change = Resolve(solution, use_memory)
    return (await records.tickets.change_ticket(tenant, ticket.ticket_id, change)).ticket


async def recalled(records: Records, issue: str = LIKE_IT, tenant: TenantId = ACME) -> MemoryContext:
    """The memory that comes with a response to a new ticket of user `ann`."""
    ticket = await records.tickets.create_ticket(tenant, TicketDraft("ann", issue, use_memory=False), None)
    outcome = await records.tickets.change_ticket(tenant, ticket.ticket_id, Respond("Hello"))
    assert outcome.memory is not None
    return outcome.memory


async def test_a_similar_ticket_brings_its_solution_and_another_one_does_not(records: Records) -> None:
    ticket = await solved(records)
    await solved(records, "Profile pictures look blurry", "Upload a larger picture")
    found = (await recalled(records)).similar_solutions
    assert [(s.ticket_id, s.solution) for s in found] == [(ticket.ticket_id, "Pick a shorter period")]
    assert found[0].issue_description == ISSUE
    assert found[0].similarity is not None
    assert 0.3 < found[0].similarity < 1


async def test_a_response_that_resolves_is_a_solution_too(records: Records) -> None:
    ticket = await records.tickets.create_ticket(ACME, TicketDraft("bob", ISSUE), None)
    change = Respond("Pick a shorter period", ResolutionType.RESOLVED)
    await records.tickets.change_ticket(ACME, ticket.ticket_id, change)
    assert [s.solution for s in (await recalled(records)).similar_solutions] == ["Pick a shorter period"]


async def test_a_solution_counts_as_long_as_it_helped(records: Records) -> None:
    """After a bad rating or a reopening it is not recalled; after a good rating or solution it is."""
    ticket = await solved(records)

    async def solutions() -> list[str]:
        return [s.solution for s in (await recalled(records)).similar_solutions]

    async def change(made: Rate | Reopen | Resolve) -> None:
        await records.tickets.change_ticket(ACME, ticket.ticket_id, made)

    await change(Rate("bob", 3))
    assert await solutions() == []
    await change(Rate("bob", 4))
    assert await solutions() == ["Pick a shorter period"]
    await change(Reopen("again"))
    assert await solutions() == []
    await change(Resolve("Restart the export"))
    assert await solutions() == ["Restart the export"]
    await change(Reopen("again"))
    await change(Resolve("A secret way", use_memory=False))
    assert await solutions() == []


async def test_without_memory_nothing_is_read_and_nothing_is_written(records: Records) -> None:
    unremembered = await solved(records, use_memory=False)
    with pytest.raises(NotFound):
        await records.knowledge.get(Scope(ACME, COLLECTION), DocId(unremembered.ticket_id))
    assert (await recalled(records)).similar_solutions == ()
    await solved(records)
    ticket = await records.tickets.create_ticket(ACME, TicketDraft("bob", LIKE_IT), None)
    change = Respond("Hello", use_memory=False)
    assert (await records.tickets.change_ticket(ACME, ticket.ticket_id, change)).memory is None


async def test_earlier_tickets_are_the_customers_own_remembered_ones(records: Records) -> None:
    """Newest first; not those opened without memory, not later ones, not other people's."""
    first = await solved(records, "one", user="ann")
    await solved(records, "hidden", user="ann", use_memory=False)
    await solved(records, "not hers", user="bob")
    found = (await recalled(records, "two")).earlier_tickets
    assert [ticket.ticket_id for ticket in found] == [first.ticket_id]
    assert found[0].solution == "Pick a shorter period"


async def test_no_tenant_recalls_anothers(records: Records) -> None:
    await solved(records, user="ann")
    assert await recalled(records, ISSUE, OTHER) == MemoryContext((), ())


async def test_memory_that_fails_leaves_the_ticket_as_it_was(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the call can be repeated."""
    ticket = await records.tickets.create_ticket(ACME, TicketDraft("bob", ISSUE), None)

    async def fail(*_: object) -> None:
        raise RuntimeError("the model is gone")

    monkeypatch.setattr(records.knowledge, "put", fail)
    with pytest.raises(RuntimeError):
        await records.tickets.change_ticket(ACME, ticket.ticket_id, Resolve("x"))
    assert (await records.tickets.get_ticket(ACME, ticket.ticket_id)).ticket == ticket
