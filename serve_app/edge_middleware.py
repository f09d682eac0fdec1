"""Starts each request's clock, refuses bodies that are too large, and answers unexpected exceptions."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.core.errors import PayloadTooLarge
from serve_app.edge import EdgeClock
from serve_app.problems import problem_response

_DISCARD_FACTOR = 8
"""A body that is too large is read and discarded, up to this many times the limit, before the 413."""
_DISCARD_TIMEOUT_S = 5.0
"""The longest time that such a body is read."""


class Edge:
    """The outermost ASGI middleware. `max_bytes` limits a body's declared and its actual length."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on. Answers 413 to a large body and 500 to an unexpected exception."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["state"] = {**scope.get("state", {}), "clock": EdgeClock()}
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._max_bytes:
            if int(declared) <= _DISCARD_FACTOR * self._max_bytes:
                await self._discard(receive)
            await problem_response(self._error())(scope, receive, send)
            return
        await self._answer(scope, self._limited(receive), send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers exceptions, which Starlette would raise again so that the server logs them twice."""
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except ClientDisconnect:
            return  # the client is gone
        except Exception as error:
            if started:
                raise
            await problem_response(error)(scope, receive, send)

    def _limited(self, receive: Receive) -> Receive:
        """`receive`, which raises HTTPException (413) when the body gets larger than allowed."""
        seen = 0

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_bytes:
                if message.get("more_body", False):
                    await self._discard(receive)
                # While FastAPI reads a body, it turns all exceptions but HTTPExceptions into a 400.
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, self._error().message)
            return message

        return limited

    async def _discard(self, receive: Receive) -> None:
        """Reads the rest of a body, within limits. A client that still sends would get a connection
        reset instead of the answer."""
        left = _DISCARD_FACTOR * self._max_bytes
        with suppress(TimeoutError):
            async with asyncio.timeout(_DISCARD_TIMEOUT_S):
                while left > 0:
                    message = await receive()
                    left -= len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return

    def _error(self) -> PayloadTooLarge:
        return PayloadTooLarge(f"the body is larger than {self._max_bytes} bytes")
