"""`warmline doctor`: what is wrong with this installation or with a running server, and how to mend it."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from serve_app.commands import over_http
from serve_app.commands.exit_codes import ExitCode
from serve_app.commands.over_http import Server
from serve_app.commands.terminal import clean

if TYPE_CHECKING:
    from rich.console import Console

    from serve_app.client.connection import Connection
    from serve_app.doctor.finding import Finding

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@over_http.over_http
async def doctor(
    server: Server,
    *,
    ask: Annotated[bool, typer.Option("--ask", help="Also ask the support agent something.")] = False,
) -> None:
    """Checks this machine, its settings and the server, and says how to mend what is wrong.

    With a --url of another machine, checks that server only. Exits with 1 if a check fails.
    """
    from serve_app.doctor.finding import State

    found = await _findings(server.connection, ask)
    server.terminal.show({"checks": [asdict(one) for one in found]}, lambda console: _draw(console, found))
    if any(one.state is State.FAIL for one in found):
        raise typer.Exit(ExitCode.FAILED)


async def _findings(server: Connection, ask: bool) -> list[Finding]:
    from serve_app.doctor.finding import State
    from serve_app.doctor.server import findings
    from serve_app.host_names import is_loopback

    if not is_loopback(urlsplit(server.url).hostname or ""):
        return await findings(server, ask)
    here, there = await _of_this_machine(), await findings(server, ask)
    # Before the start, no server is no fault. The check of the port tells of another one.
    return here if there[0].state is State.FAIL and not ask else [*here, *there]


async def _of_this_machine() -> list[Finding]:
    from serve_app.doctor import engine_servers, installation, machine, stores
    from serve_app.doctor.finding import checked

    settings, first = installation.settings_of(os.environ)
    if settings is None:
        return [first]
    checks = [
        *machine.checks(settings),
        *installation.checks(settings, over_http.connection(None, None, None)),
        *stores.checks(settings),
        *engine_servers.checks(settings),
    ]
    return [first, *await checked(checks)]


def _draw(console: Console, found: list[Finding]) -> None:
    from rich.text import Text

    width = max(len(one.check) for one in found)
    for one in found:
        line = Text(f"{one.state:<5} {one.check:<{width}}  ", style=_COLOURS[one.state])
        console.print(line + Text(clean(one.found), style="default"), soft_wrap=True)
        if one.mend:
            console.print(f"{'':5} {'':{width}}  -> {clean(one.mend)}", soft_wrap=True)
