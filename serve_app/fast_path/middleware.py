"""Around every HTTP server that Serve opens, proxies and replicas alike: see `middlewares`."""

from __future__ import annotations

import logging
from http import HTTPStatus

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.fast_path.server_errors import server_error

log = logging.getLogger("ray.serve")

_NOT_THE_CLIENTS = {b"x-request-timeout-seconds", b"x-request-disconnect-disabled"}
"""By these a client could end a request earlier than promised, or have it go on when nobody reads."""
_STATUSES = {status.value for status in HTTPStatus}


class ServersOwn:
    """ASGI middleware: drops what Serve would obey from clients, and gives Serve's own errors our body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on. The application itself never answers an error in plain text."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["headers"] = [header for header in scope["headers"] if header[0] not in _NOT_THE_CLIENTS]
        held: Message | None = None
        started = False

        async def shaped(message: Message) -> None:
            nonlocal held, started
            if message["type"] == "http.response.start" and _is_servers_own(message):
                held = message
            elif held is None:
                started = True
                await send(message)
            elif not message.get("more_body"):
                await answer(held["status"])

        async def answer(status: int) -> None:
            nonlocal held, started
            held, started = None, True
            await server_error(status)(scope, receive, send)

        try:
            await self._app(scope, receive, shaped)
        except Exception as error:  # the application's own were answered in its replica
            if started:
                raise
            log.warning("a request's replica failed (%s)", type(error).__name__)  # Serve logs the whole story
        if not started:
            await answer(held["status"] if held else HTTPStatus.SERVICE_UNAVAILABLE)


def middlewares() -> list[Middleware]:
    """For `RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH`."""
    return [Middleware(ServersOwn)]


def _is_servers_own(message: Message) -> bool:
    kind = dict(message.get("headers", [])).get(b"content-type", b"")
    return message["status"] >= 400 and message["status"] in _STATUSES and kind.startswith(b"text/plain")
