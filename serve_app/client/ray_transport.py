"""How a client inside Ray sends its HTTP requests: over a Serve handle of the Ingress deployment."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from ray import serve
from ray.serve.exceptions import RayServeException

from deployments.core.errors import Unavailable
from serve_app.remote import translated


class RayTransport(httpx.AsyncBaseTransport):
    """The same routes answer as over HTTP. Timeouts of the request do not apply.

    Raises WarmlineErrors: Unavailable when Ray does not serve the application, or its Ingress can't be
    reached; Overloaded when too many requests wait for it.
    """

    def __init__(self) -> None:
        self._handle: Any = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response of `Ingress.call`, which takes and returns plain values."""
        body = await request.aread()
        if self._handle is None:
            self._handle = await asyncio.to_thread(_ingress)  # blocks until Serve's controller answers
        with translated("the application"):
            status, headers, content = await self._handle.call.remote(
                request.method, str(request.url), request.headers.multi_items(), body
            )
        return httpx.Response(status, headers=headers, content=content)

    async def aclose(self) -> None:
        """Forgets the handle; the next request asks Serve for it again."""
        self._handle = None


def _ingress() -> Any:
    try:
        return serve.get_deployment_handle("Ingress", "default")
    except (KeyError, RayServeException) as error:
        raise Unavailable(
            "the Ray cluster of this process does not serve Warmline; pass `url` to reach one over HTTP"
        ) from error
