"""`warmline ask`: a question, its answer as it is written, and its ledger."""

from __future__ import annotations

import sys
from contextlib import aclosing
from typing import Annotated, Any

import typer

from serve_app.commands import ledger
from serve_app.commands.over_http import Server, over_http
from serve_app.commands.terminal import clean


@over_http
async def ask(
    server: Server,
    question: Annotated[str, typer.Argument(help="The question; - reads it from stdin.")],
    *,
    agent: Annotated[str, typer.Option(help="The agent: support, business or documentation.")] = "support",
    again: Annotated[
        bool, typer.Option("--again", help="Ask twice: the second ledger shows what the first answer left.")
    ] = False,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Most tokens of the answer. Default: the agent's.")
    ] = None,
    temperature: Annotated[float | None, typer.Option(min=0, help="0 is greedy.")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--filter", metavar="KEY=VALUE", help="Answer from documents with this metadata."),
    ] = None,
) -> None:
    """Asks an agent. Streams the answer, then draws what was reused and where the time went."""
    request = {
        "model": agent,
        "messages": [{"role": "user", "content": sys.stdin.read() if question == "-" else question}],
        "max_completion_tokens": max_tokens,
        "temperature": temperature,
        "filter": filter_of(only or []),
        "stream": True,
    }
    answers = [await _answer(server, request) for _ in range(2 if again else 1)]
    if server.terminal.as_json:
        server.terminal.show(answers if again else answers[0], lambda _: None)


def filter_of(pairs: list[str]) -> dict[str, list[str]] | None:
    """The filter of `KEY=VALUE` pairs; None without any. Raises BadParameter."""
    wanted: dict[str, list[str]] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise typer.BadParameter(f"{pair!r} must be KEY=VALUE", param_hint="--filter")
        wanted.setdefault(name, []).append(value)
    return wanted or None


async def _answer(server: Server, request: dict[str, Any]) -> dict[str, Any]:
    """Shows an answer while it arrives, and returns its text with its ledger."""
    text = ""
    found: dict[str, Any] = {}
    drawn = not server.terminal.as_json
    async with aclosing(server.connection.events("/v1/chat/completions", **request)) as events:
        async for event in events:
            for choice in event["choices"]:
                piece = choice["delta"].get("content") or ""
                text += piece
                if drawn:
                    server.terminal.console.print(clean(piece), end="", soft_wrap=True)
            found = event.get("warmline") or found
    if drawn:
        server.terminal.console.print("\n")
        ledger.draw(server.terminal.console, found)
    return {"text": text, **found}
