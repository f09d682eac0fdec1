"""What all commands have in common that call the application: options, connection, pages of lists."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serve_app.commands.exit_codes import exit_on_error
from serve_app.commands.terminal import Terminal

if TYPE_CHECKING:
    from serve_app.client.connection import Connection

_PANEL = "Server"
_PAGE = 100
"""Items of a list that one request asks for, at most."""

Url = Annotated[
    str | None,
    typer.Option(
        envvar="WARMLINE_URL",
        help="Address of the application. Default: this machine, at WARMLINE_HTTP_PORT.",
        rich_help_panel=_PANEL,
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        envvar="WARMLINE_KEY",
        show_envvar=True,
        help="API key. Prefer the variable: others can see the arguments of a process.",
        rich_help_panel=_PANEL,
    ),
]
Tenant = Annotated[
    str | None,
    typer.Option(
        help="Tenant to act for, if the key is the operator's or the server needs no key.",
        rich_help_panel=_PANEL,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Show JSON.")]
_OPTIONS: dict[str, Any] = {"url": Url, "key": Key, "tenant": Tenant, "as_json": AsJson}


@dataclass(frozen=True, slots=True)
class Server:
    """The application that a command calls, and where the command shows what it answers."""

    connection: Connection
    terminal: Terminal

    async def pages(
        self, path: str, name: str, limit: int, mark: str = "after", **params: Any
    ) -> list[dict[str, Any]]:
        """Up to `limit` items of a list, which its pages have under `name`, from as many pages as needed.

        `mark` is the parameter that a page's `next` is passed as.
        """
        found: list[dict[str, Any]] = []
        async for item in self.items(path, name, mark, min(limit, _PAGE), **params):
            found.append(item)
            if len(found) == limit:
                break
        return found

    async def items(
        self, path: str, name: str, mark: str = "after", page: int = _PAGE, **params: Any
    ) -> AsyncIterator[dict[str, Any]]:
        """All items of a list, read in pages of `page` items."""
        following: str | None = None
        while True:
            answer = await self.connection.get(path, limit=page, **{**params, mark: following})
            for item in answer[name]:
                yield item
            following = answer["next"]
            if following is None:
                return


def connection(url: str | None, key: str | None, tenant: str | None) -> Connection:
    """The connection to `url` or, without one, to this machine. Raises BadParameter."""
    from serve_app.auth import TENANT_HEADER
    from serve_app.client.connection import Connection, default_url

    if url is not None and not url.startswith(("http://", "https://")):
        raise typer.BadParameter("must start with http:// or https://", param_hint="--url")
    headers = {} if tenant is None else {TENANT_HEADER: tenant}
    if key is not None:
        if not (key.isascii() and key.isprintable()):
            raise typer.BadParameter("must have visible ASCII characters only", param_hint="--key")
        headers["authorization"] = f"Bearer {key}"
    # A proxy that the environment names does not lead to this machine.
    return Connection(url or default_url(os.environ), headers, trust_env=url is not None)


def over_http(command: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Makes a command of a coroutine function, whose first parameter is the `Server`.

    The command has the function's other parameters, and the options that name the server.
    """
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

    @wraps(command)
    def run(*, url: str | None, key: str | None, tenant: str | None, as_json: bool, **given: Any) -> None:
        async def call() -> None:
            server = Server(connection(url, key, tenant), Terminal(as_json))
            try:
                await command(server, **given)
            finally:
                await server.connection.aclose()

        with exit_on_error(as_json):
            asyncio.run(call())

    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if name == "as_json" else None,
            annotation=annotation,
        )
        for name, annotation in _OPTIONS.items()
    ]
    # Typer reads a command's options from its signature and annotations.
    named = [*(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own), *options]
    run.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in named}
    return run
