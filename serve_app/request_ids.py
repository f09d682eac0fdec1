"""The id of a request: the same in its response, in logs of all deployments and in what its body says.

`ServeGuard` writes it into the request's headers, from which Serve takes it for all deployments. `Edge` does
the same for requests that come in no other way (over a Serve handle).
"""

from __future__ import annotations

import re
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Scope, Send

from deployments.core.ids import RequestId

HEADER = "x-request-id"
_CHOSEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@~-]{0,127}")
"""Ids that a caller may choose. Logs, headers and JSON have them unescaped."""
_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context; an id of zeros is invalid."""


def request_id(headers: Headers) -> RequestId:
    """The caller's `x-request-id`, else the trace id of its `traceparent`, else a new id.

    A header with any other value than an id is ignored. Several requests can have the same id.
    """
    chosen = headers.get(HEADER, "")
    if _CHOSEN.fullmatch(chosen):
        return RequestId(chosen)
    traced = _TRACE_PARENT.fullmatch(headers.get("traceparent", ""))
    return RequestId(traced[1] if traced else f"req-{uuid4().hex}")


def identified(scope: Scope, send: Send) -> tuple[RequestId, Send]:
    """Gives an HTTP request its id, in its headers and, by the returned `send`, in its response's."""
    name = request_id(Headers(scope=scope))
    others = [header for header in scope["headers"] if header[0] != HEADER.encode()]
    scope["headers"] = [*others, (HEADER.encode(), name.encode())]

    async def send_with_id(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)[HEADER] = name  # in place of those that were added meanwhile
        await send(message)

    return name, send_with_id
