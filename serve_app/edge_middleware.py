"""What happens before a route: the clock starts, id, access and quotas are found, bodies get a limit.

It also answers unexpected exceptions.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AsyncExitStack

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.core.errors import WarmlineError
from serve_app.auth import KeyRing, is_public
from serve_app.body_limits import BodyLimit
from serve_app.edge import EdgeClock
from serve_app.host_names import check_addressed_to_loopback
from serve_app.problems import problem_response
from serve_app.quota_gate import QuotaGate
from serve_app.request_ids import identified
from serve_app.route_needs import needed_scope


class Edge:
    """The outermost ASGI middleware, except for CORS. `max_file_bytes` limits the bodies of documents and
    pictures. Without API keys, web pages of `allowed_origins` may send requests."""

    def __init__(
        self,
        app: ASGIApp,
        key_ring: KeyRing,
        quotas: QuotaGate,
        max_file_bytes: int,
        allowed_origins: Collection[str] = (),
    ) -> None:
        self._app = app
        self._key_ring = key_ring
        self._quotas = quotas
        self._allowed_origins = allowed_origins
        self._max_file_bytes = max_file_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on. A caller without access is answered before the body is read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name, send = identified(scope, send)
        scope["state"] = {**scope.get("state", {}), "clock": EdgeClock(), "request_id": name}
        limit = BodyLimit(scope, self._max_file_bytes)
        headers: dict[str, str] = {}
        send = _with_headers(send, headers)
        async with AsyncExitStack() as held:
            try:
                await self._admit(scope, held, headers)
                await limit.check_declared(receive)
            except WarmlineError as error:
                await problem_response(error)(scope, receive, send)
                return
            await self._answer(scope, limit.limited(receive), send)

    async def _admit(self, scope: Scope, held: AsyncExitStack, shown: dict[str, str]) -> None:
        """Puts the `Access` into the request's state, and holds the request's places in `held`. A public
        path's request has neither. Adds headers for the response to `shown`.

        Raises Unauthorized, Forbidden, InvalidRequest, Unavailable, QuotaExceeded.
        """
        headers = Headers(scope=scope)
        if self._key_ring.keyless:
            check_addressed_to_loopback(headers, self._allowed_origins)
        if is_public(scope["path"]):
            return
        access = await self._key_ring.access(headers)
        access.check(needed_scope(scope["method"], scope["path"]))
        scope["state"]["access"] = access
        admitted = self._quotas.admitted(access.tenant, scope["method"], scope["path"], shown)
        await held.enter_async_context(admitted)

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


def _with_headers(send: Send, headers: dict[str, str]) -> Send:
    """`send`, which adds headers to the response."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(headers)
        await send(message)

    return sending
