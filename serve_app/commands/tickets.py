"""`warmline tickets`: support tickets."""

from __future__ import annotations

from typing import Annotated

import typer

from deployments.core.records.tickets import Priority, ResolutionType, TicketStatus
from serve_app.commands.over_http import Server, over_http
from serve_app.commands.terminal import table

app = typer.Typer(help="Opens, lists, shows, answers and resolves support tickets.", no_args_is_help=True)

_TICKETS = "/v1/support/tickets"
Id = Annotated[str, typer.Argument(help="The ticket's id.")]


@app.command("list")
@over_http
async def list_(
    server: Server,
    status: Annotated[TicketStatus | None, typer.Option(help="Only these.")] = None,
    priority: Annotated[Priority | None, typer.Option(help="Only these.")] = None,
    user: Annotated[str | None, typer.Option(help="Only this customer's.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most tickets to list.")] = 50,
) -> None:
    """Lists tickets, newest first."""
    found = await server.pages(_TICKETS, "tickets", limit, status=status, priority=priority, user_id=user)
    rows = [
        (
            ticket["ticket_id"],
            ticket["status"],
            ticket["priority"],
            ticket["user_id"],
            ticket["sla_deadline"],
            ticket["issue_description"].partition("\n")[0][:60],
        )
        for ticket in found
    ]
    headings = ("id", "status", "priority", "customer", "due", "issue")
    server.terminal.show({"tickets": found}, lambda console: console.print(table(headings, rows)))


@app.command()
@over_http
async def show(server: Server, ticket_id: Id) -> None:
    """Shows a ticket with everything that happened to it."""
    found = await server.connection.get(_path(ticket_id))
    state = [(name, value) for name, value in found.items() if name != "history" and value is not None]
    events = [(event["at"], event["kind"], event["status"], event["text"]) for event in found["history"]]
    server.terminal.show(
        found,
        lambda console: console.print(
            table((), state), table(("at", "what", "status", "text"), events), sep="\n"
        ),
    )


@app.command("open")
@over_http
async def open_(
    server: Server,
    user: Annotated[str, typer.Argument(help="The customer.")],
    issue: Annotated[str, typer.Argument(help="What is wrong.")],
    priority: Annotated[Priority, typer.Option(help="How urgent it is.")] = Priority.MEDIUM,
) -> None:
    """Opens a ticket."""
    opened = await server.connection.post(_TICKETS, user_id=user, issue_description=issue, priority=priority)
    server.terminal.say(opened, f"opened {opened['ticket_id']}, due {opened['sla_deadline']}")


@app.command()
@over_http
async def respond(
    server: Server,
    ticket_id: Id,
    response: Annotated[str, typer.Argument(help="What to tell the customer.")],
    kind: Annotated[ResolutionType, typer.Option(help="What the response does.")] = ResolutionType.ANSWERED,
) -> None:
    """Answers the customer."""
    made = await server.connection.post(
        f"{_path(ticket_id)}/responses", response=response, resolution_type=kind
    )
    server.terminal.say(made, f"responded to {ticket_id}, which is {made['status']}")


@app.command()
@over_http
async def resolve(
    server: Server, ticket_id: Id, solution: Annotated[str, typer.Argument(help="What solved it.")]
) -> None:
    """Marks the issue as solved."""
    resolved = await server.connection.post(f"{_path(ticket_id)}/resolution", solution=solution)
    server.terminal.say(resolved, f"resolved {ticket_id}")


def _path(ticket_id: str) -> str:
    from serve_app.client.agent import path_part

    return f"{_TICKETS}/{path_part(ticket_id)}"
