"""`warmline cache`: what is cached, warming and clearing."""

from __future__ import annotations

from typing import Annotated

import typer

from serve_app.commands.over_http import Server, over_http
from serve_app.commands.terminal import counted, table

app = typer.Typer(help="Shows, warms and clears the tenant's caches.", no_args_is_help=True)

Agent = Annotated[str | None, typer.Option(help="One agent. Default: all.")]


@app.command()
@over_http
async def stats(server: Server) -> None:
    """Shows how often segments were cached, and what Redis holds."""
    found = await server.connection.get("/v1/cache/stats")
    headings = (
        "agent",
        "hits",
        "misses",
        "hit rate",
        "tokens in Redis",
        "MB in Redis",
        "hit, ms",
        "miss, ms",
    )
    rows = [
        (
            agent,
            one["cache_hits"],
            one["cache_misses"],
            f"{one['hit_rate']:.1f} %",
            one["total_tokens_cached"],
            one["cache_size_mb"],
            f"{one['avg_hit_latency_ms']:.1f}",
            f"{one['avg_miss_latency_ms']:.1f}",
        )
        for agent, one in found.items()
    ]
    server.terminal.show(found, lambda console: console.print(table(headings, rows)))


@app.command()
@over_http
async def warm(
    server: Server,
    questions: Annotated[
        list[str] | None, typer.Argument(help="Questions to prefill. Default: what is asked most.")
    ] = None,
    agent: Agent = None,
) -> None:
    """Prefills prompts, so that the first to ask does not wait for it."""
    warmed = await server.connection.post("/v1/cache/warm", agent=agent, questions=questions or [])
    rows = [(name, *one.values()) for name, one in warmed.items()]
    headings = ("agent", *(field.replace("_", " ") for field in next(iter(warmed.values()), {})))
    server.terminal.show(warmed, lambda console: console.print(table(headings, rows)))


@app.command()
@over_http
async def clear(
    server: Server,
    agent: Agent = None,
    pattern: Annotated[
        str | None, typer.Option(help="Only documents whose ids match this glob; needs --agent.")
    ] = None,
) -> None:
    """Deletes cached token ids. The next questions are tokenized again."""
    cleared = await server.connection.post("/v1/cache/clear", agent=agent, pattern=pattern)
    server.terminal.say(cleared, f"cleared {counted(cleared['cleared'], 'cached segment')}")
