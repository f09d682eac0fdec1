"""The gate of an ingress replica: closed, it refuses new requests and waits for those in progress."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.core.errors import Unavailable
from serve_app.problems import problem_response


class Gate:
    """Counts the requests in progress. Belongs to one event loop."""

    def __init__(self) -> None:
        self._open = True
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    async def close(self, within_s: float) -> int:
        """Refuses requests from now on. Returns when the last one in progress has ended, or after
        `within_s` seconds, with the number of those that have not.
        """
        self._open = False
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._empty.wait()
        return self._inside

    def enter(self) -> None:
        """Counts a request that begins. Raises Unavailable if the gate is closed."""
        if not self._open:
            raise Unavailable("the application is stopping; try again later")
        self._inside += 1
        self._empty.clear()

    def leave(self) -> None:
        """Counts a request that has ended."""
        self._inside -= 1
        if not self._inside:
            self._empty.set()


class Gated:
    """ASGI middleware that lets requests in through a gate. A stream is in progress until its last byte."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or answers 503 with Retry-After."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._gate.enter()
        except Unavailable as error:
            await problem_response(error)(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._gate.leave()
