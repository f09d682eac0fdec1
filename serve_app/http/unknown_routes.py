"""Answers requests to paths that do not exist, and says which ones do."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from deployments.core.errors import NotFound
from serve_app.http import conversations, openai, responses

_SHOWN_CHARS = 100
"""Of the path, in the error's message."""


def install(app: FastAPI) -> None:
    """Makes `app` answer unknown paths with a 404 that names the routes of the OpenAI-compatible API."""
    routes = ", ".join(_routes())
    other = app.router.default

    async def unknown(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await other(scope, receive, send)
            return
        path = ascii(scope["path"][:_SHOWN_CHARS])[1:-1]
        raise NotFound(
            f"this server has no {path}. Of OpenAI's API it has {routes}; /docs lists all other routes"
        )

    app.router.default = unknown


def _routes() -> Iterator[str]:
    for router in (openai.router, responses.router, conversations.router):
        for route in router.routes:
            if isinstance(route, APIRoute):
                yield f"{', '.join(sorted(route.methods))} {route.path}"
