"""`warmline erase`: deletes texts from every store, and shows that they are gone."""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict
from typing import Annotated, Any

import typer

from serve_app.commands.exit_codes import ExitCode
from serve_app.commands.over_http import Server, over_http
from serve_app.commands.terminal import clean, table

_PATH = "/v1/erasures"
_FOLLOW_EVERY_S = 2.0


@over_http
async def erase(
    server: Server,
    *,
    user: Annotated[str | None, typer.Option(help="Erase this customer's tickets, templates, ideas.")] = None,
    collection: Annotated[str | None, typer.Option(help="Erase all documents of this collection.")] = None,
    document: Annotated[str | None, typer.Option(help="Erase only this document of --collection.")] = None,
    everything_of: Annotated[str | None, typer.Option(help="Erase all that this tenant has stored.")] = None,
    verify: Annotated[
        str | None,
        typer.Option(
            help="Search this machine's database, Redis and logs for a text, a user or document id."
        ),
    ] = None,
) -> None:
    """Deletes texts and all that was derived from them. Needs the scope admin.

    With --verify, only searches, in the stores that this machine's settings name. Exits with 1 if it finds
    the text, or can't read a store.
    """
    wanted = {
        "verify": verify is not None,
        "customer": user is not None,
        "document": document is not None,
        "collection": collection is not None and document is None,
        "tenant": everything_of is not None,
    }
    kinds = [kind for kind, is_wanted in wanted.items() if is_wanted]
    if len(kinds) != 1 or (document is not None and collection is None):
        raise typer.BadParameter(
            "give one of --user, --collection (with --document for one of it), --everything-of and --verify"
        )
    if verify is not None:
        await _verify(server, verify)
        return
    named = {"user_id": user, "collection": collection, "doc_id": document, "confirm": everything_of}
    given = {name: value for name, value in named.items() if value is not None}
    await _erase(server, {"kind": kinds[0], **given})


async def _erase(server: Server, body: dict[str, Any]) -> None:
    found = await server.connection.post(_PATH, **body)
    while found["state"] == "running":
        if not server.terminal.as_json:
            server.terminal.side_console.print(f"{found['erasure_id']} runs; {found['problem'] or 'waiting'}")
        await asyncio.sleep(_FOLLOW_EVERY_S)
        found = await server.connection.get(f"{_PATH}/{found['erasure_id']}")
    removed = (
        ", ".join(f"{name}: {count}" for name, count in found["removed"].items() if count)
        or "nothing, since nothing was stored under that name"
    )
    server.terminal.say(found, f"{found['erasure_id']} removed {removed}")


async def _verify(server: Server, text: str) -> None:
    from serve_app.leftovers import search
    from serve_app.settings import Settings

    if not text:
        raise typer.BadParameter("needs a text to look for", param_hint="--verify")

    def told(store: str) -> None:
        console = server.terminal.side_console
        if console.is_terminal:
            console.print(f"searching {store} ...")

    found = await search(Settings.from_env(os.environ), text, told)
    rows = [(left.store, left.place, left.count) for left in found.leftovers]

    def draw(console: Any) -> None:
        for problem in found.unread:
            console.print(f"not searched: {clean(problem)}", soft_wrap=True)
        if rows:
            console.print(table(("store", "place", "count"), rows))
        elif not found.unread:
            console.print("found nowhere: not in the database, in Redis, or in the files of the state")

    server.terminal.show(asdict(found), draw)
    if rows or found.unread:
        raise typer.Exit(ExitCode.FAILED)
