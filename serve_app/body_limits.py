"""How large a request's body may be, and how a larger one is refused."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

from deployments.core.errors import PayloadTooLarge

MAX_JSON_BYTES = 2**20
"""For all routes but those of `FILES`. JSON is parsed on the event loop, which serves all streams."""
FILES = (
    ("PUT", re.compile(r"/v1/collections/[^/]+/documents/.+", re.DOTALL)),
    ("PUT", re.compile(r"/v1/documentation/.+", re.DOTALL)),
    ("POST", re.compile(r"/v1/support/tickets/images")),
)
"""Routes that take a whole document or a picture: WARMLINE_MAX_BODY_BYTES limits these."""
INGEST = ("POST", re.compile(r"/v1/collections/[^/]+/ingest"))
"""The route that takes many documents; it limits each of them by WARMLINE_MAX_BODY_BYTES."""
MAX_INGEST_BYTES = 2**28
"""Of all documents of one request. They are stored while they arrive, so memory does not limit them."""
_DISCARD_FACTOR = 8
"""A body that is too large is read and discarded, up to this many times the limit of files, before the
413."""
_DISCARD_TIMEOUT_S = 5.0
"""The longest time that such a body is read."""


def takes_file(method: str, path: str) -> bool:
    """Whether a route takes whole documents or a picture."""
    return any(_is(route, method, path) for route in (*FILES, INGEST))


def _is(route: tuple[str, re.Pattern[str]], method: str, path: str) -> bool:
    known, pattern = route
    return method == known and pattern.fullmatch(path) is not None


class BodyLimit:
    """The limit of one request's body. It counts the declared and the actual length."""

    def __init__(self, scope: Scope, max_file_bytes: int) -> None:
        self._declared = dict(scope["headers"]).get(b"content-length", b"0")
        method, path = scope["method"], scope["path"]
        is_file = takes_file(method, path)
        self._max_bytes = max_file_bytes if is_file else min(max_file_bytes, MAX_JSON_BYTES)
        if _is(INGEST, method, path):
            self._max_bytes = max(max_file_bytes, MAX_INGEST_BYTES)
        self._discarded_bytes = _DISCARD_FACTOR * max_file_bytes
        self._error = PayloadTooLarge(
            f"the body is larger than {self._max_bytes} bytes, the limit of "
            + ("documents and pictures" if is_file else "all requests but documents and pictures")
        )

    async def check_declared(self, receive: Receive) -> None:
        """Raises PayloadTooLarge if the declared length is too large, after discarding the body."""
        if self._declared.isdigit() and int(self._declared) > self._max_bytes:
            if int(self._declared) <= self._discarded_bytes:
                await self._discard(receive)
            raise self._error

    def limited(self, receive: Receive) -> Receive:
        """`receive`, which raises HTTPException (413) when the body gets larger than allowed."""
        seen = 0

        async def limited_receive() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_bytes:
                if message.get("more_body", False):
                    await self._discard(receive)
                # While FastAPI reads a body, it turns all exceptions but HTTPExceptions into a 400.
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, self._error.message)
            return message

        return limited_receive

    async def _discard(self, receive: Receive) -> None:
        """Reads the rest of a body, within limits. A client that still sends would get a connection
        reset instead of the answer."""
        left = self._discarded_bytes
        with suppress(TimeoutError):
            async with asyncio.timeout(_DISCARD_TIMEOUT_S):
                while left > 0:
                    message = await receive()
                    left -= len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return
