"""The span of an HTTP request. A caller's `traceparent` makes it a part of the caller's trace."""

from __future__ import annotations

from http import HTTPMethod, HTTPStatus

from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.auth import is_public
from serve_app.tracing import spans

_METHODS = frozenset(HTTPMethod)
"""Clients may send any word as a method, which must not become the name of a span."""


class TracedRequests:
    """ASGI middleware. Probes and the web page, which are public, have no traces."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, in its span."""
        if scope["type"] != "http" or is_public(scope["path"]):
            await self._app(scope, receive, send)
            return
        span = spans.start("HTTP", spans.parent_of(Headers(scope=scope)), SpanKind.SERVER)
        if not span.get_span_context().is_valid:  # no exporter, and no trace of the caller's to pass on
            await self._app(scope, receive, send)
            return
        try:
            with spans.inside(span):
                await self._app(scope, receive, _watched(send, span))
        finally:
            _add_request(span, scope)
            span.end()


def _watched(send: Send, span: Span) -> Send:
    async def watched_send(message: Message) -> None:
        if message["type"] == "http.response.start":
            _add_response(span, message["status"])
        await send(message)

    return watched_send


def _add_response(span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        span.set_attribute("error.type", str(status))
        span.set_status(Status(StatusCode.ERROR))


def _add_request(span: Span, scope: Scope) -> None:
    """Adds what is known once the request has been routed. The path itself may have ids of documents."""
    method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
    span.set_attribute("http.request.method", method)
    span.set_attribute("warmline.request_id", scope.get("state", {}).get("request_id", ""))
    if (route := getattr(scope.get("route"), "path", None)) is not None:
        span.set_attribute("http.route", route)
        span.update_name(f"{method} {route}")
