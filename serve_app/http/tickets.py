"""Support tickets: opened, worked on, rated, listed."""

from typing import Annotated

import fastapi
from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import Response

from deployments.core.records.tickets import (
    Close,
    Escalate,
    Rate,
    Reopen,
    Resolve,
    Respond,
    TicketDraft,
    TicketQuery,
)
from serve_app.http.context import ServicesDep, TenantDep
from serve_app.http.error_bodies import ERROR_RESPONSES, error_responses
from serve_app.http.fields import RecordId
from serve_app.http.repeatable import CREATED, IdempotencyKey, created_once
from serve_app.http.ticket_bodies import (
    CloseRequest,
    EscalateRequest,
    EscalationBody,
    RateRequest,
    ReopenRequest,
    ResolveRequest,
    RespondRequest,
    ResponseBody,
    TicketBody,
    TicketEventBody,
    TicketFilter,
    TicketHistoryBody,
    TicketPage,
    TicketRequest,
)

router = APIRouter(
    prefix="/v1/support/tickets",
    tags=["tickets"],
    responses=ERROR_RESPONSES
    | error_responses({404: "No such ticket", 409: "Not possible in the ticket's present status"}),
)


@router.post("", response_model=TicketBody, status_code=201, responses=CREATED)
async def create(
    body: TicketRequest, parts: ServicesDep, owner: TenantDep, key: IdempotencyKey = None
) -> Response:
    """Opens a ticket."""
    draft = TicketDraft(body.user_id, body.issue_description, body.priority, body.enable_memory)

    async def open_ticket(idempotency_key: str | None) -> BaseModel:
        return TicketBody.of(await parts.tickets.create_ticket(owner, draft, idempotency_key))

    return await created_once(parts.idempotency, (owner, "tickets.create"), key, body, open_ticket)


@router.get("")
async def listing(
    parts: ServicesDep, owner: TenantDep, wanted: Annotated[TicketFilter, Query()]
) -> TicketPage:
    """Lists tickets, newest first."""
    query = TicketQuery(owner, wanted.limit + 1, wanted.after, wanted.status, wanted.priority, wanted.user_id)
    found = await parts.tickets.list_tickets(query)
    shown = [TicketBody.of(ticket) for ticket in found[: wanted.limit]]
    return TicketPage(tickets=shown, next=shown[-1].ticket_id if len(found) > wanted.limit else None)


@router.get("/{ticket_id}")
async def get(ticket_id: RecordId, parts: ServicesDep, owner: TenantDep) -> TicketHistoryBody:
    """Reads a ticket with its history."""
    found = await parts.tickets.get_ticket(owner, ticket_id)
    return TicketHistoryBody.of(found.ticket, history=[TicketEventBody.of(event) for event in found.events])


@router.post("/{ticket_id}/responses")
async def respond(
    ticket_id: RecordId, body: RespondRequest, parts: ServicesDep, owner: TenantDep
) -> ResponseBody:
    """Answers the customer. With memory, returns earlier tickets and what solved similar issues."""
    change = Respond(body.response, body.resolution_type, body.enable_memory)
    return ResponseBody.from_outcome(await parts.tickets.change_ticket(owner, ticket_id, change))


@router.post("/{ticket_id}/escalation")
async def escalate(
    ticket_id: RecordId, body: EscalateRequest, parts: ServicesDep, owner: TenantDep
) -> EscalationBody:
    """Hands the ticket to another team."""
    change = Escalate(body.escalation_reason, body.escalation_team, body.new_priority)
    return EscalationBody.from_outcome(await parts.tickets.change_ticket(owner, ticket_id, change))


@router.post("/{ticket_id}/resolution")
async def resolve(
    ticket_id: RecordId, body: ResolveRequest, parts: ServicesDep, owner: TenantDep
) -> TicketBody:
    """Marks the issue as solved."""
    change = Resolve(body.solution, body.enable_memory)
    return TicketBody.of((await parts.tickets.change_ticket(owner, ticket_id, change)).ticket)


@router.post("/{ticket_id}/reopening")
async def reopen(
    ticket_id: RecordId, body: ReopenRequest, parts: ServicesDep, owner: TenantDep
) -> TicketBody:
    """Opens a ticket again, since its issue was not solved after all."""
    return TicketBody.of((await parts.tickets.change_ticket(owner, ticket_id, Reopen(body.reason))).ticket)


@router.post("/{ticket_id}/closure")
async def close(
    ticket_id: RecordId,
    body: Annotated[CloseRequest, fastapi.Body(default_factory=CloseRequest)],
    parts: ServicesDep,
    owner: TenantDep,
) -> TicketBody:
    """Closes a resolved ticket."""
    return TicketBody.of((await parts.tickets.change_ticket(owner, ticket_id, Close(body.note))).ticket)


@router.post("/{ticket_id}/rating")
async def rate(ticket_id: RecordId, body: RateRequest, parts: ServicesDep, owner: TenantDep) -> TicketBody:
    """Stores the customer's rating of the solution of a resolved or closed ticket."""
    change = Rate(body.user_id, body.score, body.comment)
    return TicketBody.of((await parts.tickets.change_ticket(owner, ticket_id, change)).ticket)
