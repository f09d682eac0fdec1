"""`warmline keys` and `warmline audit`: API keys, and what administrators did."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from deployments.core.access import MAX_ROTATION_S, KeyScope
from serve_app.commands.over_http import Server, over_http
from serve_app.commands.terminal import table

app = typer.Typer(
    help="Makes, lists, rotates and revokes API keys. Needs the scope admin.", no_args_is_help=True
)
_DAY_S = 24 * 3600

KeyId = Annotated[str, typer.Argument(help="The key's id, as `keys list` shows it.")]
Limit = Annotated[int, typer.Option(min=1, help="Most items to list.")]


@app.command()
@over_http
async def create(
    server: Server,
    name: Annotated[str, typer.Argument(help="Who will use it, such as 'shop frontend'.")],
    scope: Annotated[
        list[KeyScope],
        typer.Option(help="ask: read and ask; write: change what is stored; admin: manage keys. Repeatable."),
    ] = [KeyScope.ASK],  # noqa: B006  Typer copies it
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires. Default: never.")] = None,
) -> None:
    """Makes a key and shows its secret, once."""
    issued = await server.connection.post(
        "/v1/keys", name=name, scopes=list(scope), expires_in_s=None if days is None else days * _DAY_S
    )
    _show_secret(server, issued)


@app.command("list")
@over_http
async def list_(server: Server, limit: Limit = 100) -> None:
    """Lists the tenant's keys, without their secrets."""
    found = await server.pages("/v1/keys", "keys", limit)
    rows = [
        (
            key["key_id"],
            key["name"],
            " ".join(key["scopes"]),
            "revoked" if key["revoked_at"] else key["expires_at"],
            key["last_used_at"],
        )
        for key in found
    ]
    headings = ("id", "name", "scopes", "expires", "last used")
    server.terminal.show({"keys": found}, lambda console: console.print(table(headings, rows)))


@app.command()
@over_http
async def rotate(
    server: Server,
    key_id: KeyId,
    keep_former_s: Annotated[
        int, typer.Option(min=0, max=MAX_ROTATION_S, help="Seconds that the former secret stays valid.")
    ] = 0,
) -> None:
    """Gives a key a new secret and shows it, once."""
    path = f"/v1/keys/{_part(key_id)}/rotation"
    _show_secret(server, await server.connection.post(path, keep_former_s=keep_former_s))


@app.command()
@over_http
async def revoke(server: Server, key_id: KeyId) -> None:
    """Revokes a key for good."""
    revoked = await server.connection.request("DELETE", f"/v1/keys/{_part(key_id)}")
    server.terminal.say(revoked, f"revoked {key_id}; it is refused within 2 seconds")


@over_http
async def audit(server: Server, limit: Limit = 50) -> None:
    """Lists what administrators of the tenant did, latest first. Needs the scope admin."""
    found = await server.pages("/v1/audit", "entries", limit, mark="before")
    headings = ("at", "key", "action", "subject", "request")
    rows = [(one["at"], one["key_id"], one["action"], one["subject"], one["request_id"]) for one in found]
    server.terminal.show({"entries": found}, lambda console: console.print(table(headings, rows)))


def _show_secret(server: Server, issued: dict[str, Any]) -> None:
    lines = f"{issued['secret']}\nThis is the secret of {issued['key_id']}. It can't be shown again."
    server.terminal.say(issued, lines)


def _part(key_id: str) -> str:
    from serve_app.client.agent import path_part

    return path_part(key_id)
