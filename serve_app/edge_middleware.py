"""Starts each request's clock, refuses bodies that are too large, and answers for what nobody foresaw."""

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

_DISCARDED_TIMES = 8
"""So many times what a body may have is read of one that has more, and for so long."""
_DISCARDED_S = 5.0


class Edge:
    """ASGI middleware, the outermost one. `max_bytes` bounds a body, declared or streamed."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on; answers 413 itself, and 500 to an exception that no handler took."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["state"] = {**scope.get("state", {}), "clock": EdgeClock()}
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._max_bytes:
            if int(declared) <= _DISCARDED_TIMES * self._max_bytes:
                await self._discard(receive)
            await problem_response(self._error())(scope, receive, send)
            return
        await self._answered(scope, self._counted(receive), send)

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Starlette's own last resort would raise the exception again, and the server log it once more."""
        started = False

        async def noticing(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noticing)
        except ClientDisconnect:
            return  # nobody is left to be answered
        except Exception as error:
            if started:
                raise
            await problem_response(error)(scope, receive, send)

    def _counted(self, receive: Receive) -> Receive:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_bytes:
                if message.get("more_body", False):
                    await self._discard(receive)
                # FastAPI passes only its own exceptions on from where it reads a body.
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, self._error().message)
            return message

        return counted

    async def _discard(self, receive: Receive) -> None:
        """Reads the rest of a body, within limits: whoever still sends would lose the answer to a reset."""
        left = _DISCARDED_TIMES * self._max_bytes
        with suppress(TimeoutError):
            async with asyncio.timeout(_DISCARDED_S):
                while left > 0:
                    message = await receive()
                    left -= len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return

    def _error(self) -> PayloadTooLarge:
        return PayloadTooLarge(f"the body is larger than {self._max_bytes} bytes")
