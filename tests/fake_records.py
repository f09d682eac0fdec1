"""Records in memory, with the same pure logic as the stored ones, and a reader of pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

from deployments.agents.image_checks import ImageLimits
from deployments.agents.ticket_image import TicketImageReader
from deployments.core.errors import Conflict, NotFound
from deployments.core.ids import TenantId
from deployments.core.records.idempotency import Claim, RepeatableCall
from deployments.core.records.support_report import Period, ReportedTicket, SupportReport
from deployments.core.records.tickets import (
    MemoryContext,
    Respond,
    Ticket,
    TicketChange,
    TicketDraft,
    TicketHistory,
    TicketOutcome,
    TicketQuery,
)
from deployments.core.ticket_image import ImageText, TextLine
from deployments.records.report import report_of
from deployments.records.ticket_life import changed, opened
from tests.fakes import FakeClock


class FakeDesk:
    """A `TicketDesk` that recalls no solved tickets. It raises `fault` while that is set."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self.histories: dict[tuple[TenantId, str], TicketHistory] = {}
        self.fault: Exception | None = None
        self._clock = clock or FakeClock()

    async def create_ticket(
        self, tenant: TenantId, draft: TicketDraft, idempotency_key: str | None
    ) -> Ticket:
        if self.fault is not None:
            raise self.fault
        ticket_id = f"ticket-{idempotency_key or len(self.histories):08}"
        made = opened(tenant, ticket_id, draft, self._clock())
        new = TicketHistory(made.ticket, (made.event,))
        return self.histories.setdefault((tenant, ticket_id), new).ticket

    async def change_ticket(self, tenant: TenantId, ticket_id: str, change: TicketChange) -> TicketOutcome:
        found = await self.get_ticket(tenant, ticket_id)
        made = changed(found.ticket, change, self._clock())
        self.histories[tenant, ticket_id] = TicketHistory(made.ticket, (*found.events, made.event))
        recalls = isinstance(change, Respond) and change.use_memory
        return TicketOutcome(made.ticket, made.event, MemoryContext((), ()) if recalls else None)

    async def get_ticket(self, tenant: TenantId, ticket_id: str) -> TicketHistory:
        if self.fault is not None:
            raise self.fault
        if (tenant, ticket_id) not in self.histories:
            raise NotFound(f"there is no ticket {ticket_id}", "ticket_id")
        return self.histories[tenant, ticket_id]

    async def list_tickets(self, query: TicketQuery) -> tuple[Ticket, ...]:
        newest_first = sorted(self.histories.items(), reverse=True)
        found = [history.ticket for (tenant, _), history in newest_first if tenant == query.tenant]
        page = [ticket for ticket in found if query.after is None or ticket.ticket_id < query.after]
        return tuple(page[: query.limit])

    async def support_report(self, tenant: TenantId, period: Period) -> SupportReport:
        found = await self.list_tickets(TicketQuery(tenant))
        inside = [ticket for ticket in found if period.start_s <= ticket.created_at_s < period.end_s]
        return report_of([reported(ticket) for ticket in inside], period, self._clock())


class FakeKeys:
    """`IdempotencyKeys` that never expire."""

    def __init__(self) -> None:
        self.claims: dict[RepeatableCall, Claim] = {}
        self.held: set[RepeatableCall] = set()

    async def claim(self, call: RepeatableCall) -> Claim:
        others = (other for other in self.claims if replace(other, request_hash="") == self._name(call))
        if any(other != call for other in others) or call in self.held:
            raise Conflict("this Idempotency-Key is in use", "Idempotency-Key")
        claim = self.claims.setdefault(call, Claim(f"{len(self.claims):028}", None))
        if claim.response is None:
            self.held.add(call)
        return claim

    async def keep(self, call: RepeatableCall, response: str) -> None:
        self.claims[call] = replace(self.claims[call], response=response)
        self.held.discard(call)

    async def release(self, call: RepeatableCall) -> None:
        self.held.discard(call)

    @staticmethod
    def _name(call: RepeatableCall) -> RepeatableCall:
        return replace(call, request_hash="")


class FakeTextReader:
    """A `TextReader` that finds the same line in any image."""

    async def read(self, image: bytes) -> ImageText:
        line = TextLine("Export failed", 0.9, ((1.0, 1.0), (90.0, 1.0), (90.0, 20.0), (1.0, 20.0)))
        return ImageText(400, 200, (line,))


def image_reader() -> TicketImageReader:
    """The support agent's reader of pictures; a token is a word."""
    return TicketImageReader(FakeTextReader(), lambda text: len(text.split()), ImageLimits())


def reported(ticket: Ticket) -> ReportedTicket:
    """Returns what a report reads of the ticket."""
    return ReportedTicket(**{field.name: getattr(ticket, field.name) for field in fields(ReportedTicket)})
