"""ASGI middleware for every HTTP server that Serve opens, in proxies and in replicas."""

from __future__ import annotations

import logging
from http import HTTPStatus

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.fast_path.server_errors import server_error
from serve_app.request_ids import identified

log = logging.getLogger("ray.serve")

_SERVE_HEADERS = {b"x-request-timeout-seconds", b"x-request-disconnect-disabled"}
"""Headers that Serve obeys. With them, a client could shorten its deadline or outlive a disconnect."""
_STATUSES = {status.value for status in HTTPStatus}


class ServeGuard:
    """Drops request headers that Serve obeys, gives a request its id, and Serve's errors the body that all
    errors have.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on. An error in plain text is Serve's: the application never answers so."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["headers"] = [header for header in scope["headers"] if header[0] not in _SERVE_HEADERS]
        _, send = identified(scope, send)
        serve_error: Message | None = None
        started = False

        async def guarded_send(message: Message) -> None:
            nonlocal serve_error, started
            if message["type"] == "http.response.start" and _is_serve_error(message):
                serve_error = message
            elif serve_error is None:
                started = True
                await send(message)
            elif not message.get("more_body"):
                await answer(serve_error["status"])

        async def answer(status: int) -> None:
            nonlocal serve_error, started
            serve_error, started = None, True
            await server_error(status)(scope, receive, send)

        try:
            await self._app(scope, receive, guarded_send)
        except Exception as error:  # of Serve: the application answers its own exceptions
            if started:
                raise
            # Serve logs the details.
            log.warning("a request's replica failed (%s)", type(error).__name__)
        if not started:
            await answer(serve_error["status"] if serve_error else HTTPStatus.SERVICE_UNAVAILABLE)


def middlewares() -> list[Middleware]:
    """The middleware; Serve finds this function by RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH."""
    return [Middleware(ServeGuard)]


def _is_serve_error(message: Message) -> bool:
    kind = dict(message.get("headers", [])).get(b"content-type", b"")
    return message["status"] >= 400 and message["status"] in _STATUSES and kind.startswith(b"text/plain")
