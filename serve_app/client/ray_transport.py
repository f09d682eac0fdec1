"""How Python clients inside Ray reach the application: over a handle of its front deployment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ray import serve
from ray.serve.exceptions import RayServeException

from deployments.core.errors import Unavailable
from serve_app.client.responses import result_of
from serve_app.client.transport import Call
from serve_app.handles.errors import translated

_PART = "the application"


class HandleTransport:
    """A `Transport` whose calls are answered by the same routes as requests over HTTP."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)
        self._handle: Any = None

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """See `Transport`."""
        merged = {**self._headers, **(headers or {})}
        call = Call.of(method, path, json=json, params=params, content=content, headers=merged)
        if self._handle is None:
            self._handle = await asyncio.to_thread(_front)  # it asks Serve's controller, and waits
        with translated(_PART):
            status, content_type, body = await self._handle.call.remote(
                call.method, call.path, call.params, call.headers, call.body
            )
        return result_of(status, content_type, body, _PART)

    async def aclose(self) -> None:
        """See `Transport`. Handles hold nothing open."""
        self._handle = None


def _front() -> Any:
    try:
        return serve.get_deployment_handle("Ingress", "default")
    except (KeyError, RayServeException) as error:
        raise Unavailable("this Ray serves no Warmline; with `url` it is reached over HTTP") from error
