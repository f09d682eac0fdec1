"""Answers requests to paths that do not exist, and says which ones do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import chain

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from deployments.core.errors import NotFound
from serve_app.http import conversations, openai, responses

_SHOWN_CHARS = 100
"""Of the path: what is compared with the routes' paths, and what the error's message shows."""
_NEAREST = 3
"""Routes that the message names because their paths resemble the unknown one."""


def install(app: FastAPI) -> None:
    """Makes `app` answer unknown paths with a 404 that names the routes of similar paths and OpenAI's.

    Call it after all routes were added.
    """
    named = _by_path(app.routes)
    routers = (openai.router, responses.router, conversations.router)
    openais = ", ".join(_by_path(chain.from_iterable(router.routes for router in routers)).values())
    other = app.router.default

    async def unknown(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await other(scope, receive, send)
            return
        path = scope["path"][:_SHOWN_CHARS]
        nearest = ", ".join(named[one] for one in get_close_matches(path, named, _NEAREST))
        raise NotFound(
            f"this server has no {ascii(path)[1:-1]}. {nearest and f'It has {nearest}. '}"
            f"Of OpenAI's API it has {openais}; /docs lists all other routes"
        )

    app.router.default = unknown


def _by_path(routes: Iterable[BaseRoute]) -> dict[str, str]:
    """Path -> its methods and itself."""
    methods: dict[str, set[str]] = {}
    for route in routes:
        if isinstance(route, APIRoute):
            methods.setdefault(route.path, set()).update(route.methods)
    return {path: f"{', '.join(sorted(its))} {path}" for path, its in methods.items()}
