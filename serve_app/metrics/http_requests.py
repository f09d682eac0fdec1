"""Counts HTTP requests and their errors, and measures how long they take."""

from __future__ import annotations

from collections.abc import Callable

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.core.metrics import ERRORS, REQUEST_S, REQUESTS, Meter

CLIENT_LEFT = "client_left"
"""The error of a request whose client left before the response ended."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER = "other"
"""What takes the place of a method or a path that the application does not know: callers choose those."""


class HttpMetrics:
    """ASGI middleware outside of `Edge`, whose clock says what a request failed with. `clock` gives
    monotonic seconds.
    """

    def __init__(self, app: ASGIApp, meter: Meter, clock: Callable[[], float]) -> None:
        self._app = app
        self._meter = meter
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, and records it when its response has ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = self._clock()
        status, complete = 0, False

        async def watched_send(message: Message) -> None:
            nonlocal status, complete
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                complete = not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        finally:
            self._record(scope, status, complete, self._clock() - began_s)

    def _record(self, scope: Scope, status: int, complete: bool, took_s: float) -> None:
        route = _template(scope)
        method = scope["method"] if scope["method"] in _METHODS else _OTHER
        self._meter.record(REQUESTS, method=method, route=route, status=str(status or CLIENT_LEFT))
        self._meter.record(REQUEST_S, took_s, route=route)
        error = scope["state"]["clock"].error or (None if complete else CLIENT_LEFT)
        if error is not None:
            self._meter.record(ERRORS, route=route, error=error)


def _template(scope: Scope) -> str:
    """The path of the request's route, with the names of its parameters in place of their values."""
    route = scope.get("route") or _route(scope)
    template: str = getattr(route, "path_format", _OTHER)
    return template


def _route(scope: Scope) -> BaseRoute | None:
    """The route of a request that was refused before it was routed."""
    routes: list[BaseRoute] = scope["app"].routes
    return next((route for route in routes if route.matches(scope)[0] is not Match.NONE), None)
