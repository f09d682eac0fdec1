"""Errors that Serve and HAProxy answer, not the application: they have the same body as its errors."""

from __future__ import annotations

from http import HTTPStatus

from starlette.responses import Response

from serve_app.problems import framework_problem

_MESSAGES = {
    HTTPStatus.BAD_REQUEST: "the request is not valid HTTP",
    HTTPStatus.NOT_FOUND: "there is nothing at this path",
    HTTPStatus.REQUEST_TIMEOUT: "the request did not arrive in time",
    HTTPStatus.TOO_MANY_REQUESTS: "too many requests are waiting; try again later",
    HTTPStatus.INTERNAL_SERVER_ERROR: "an internal error happened; its cause is in the server's log",
    HTTPStatus.SERVICE_UNAVAILABLE: "the application can't be reached; try again later",
    HTTPStatus.GATEWAY_TIMEOUT: "the application did not answer in time",
}
HAPROXY_STATUSES = (400, 408, 500, 502, 503, 504)
"""Statuses that HAProxy 2.8 answers by itself in Serve's configuration."""


def server_error(status: int) -> Response:
    """The response for a server's own status. 502 means that a replica is gone, and becomes 503."""
    shown = HTTPStatus.SERVICE_UNAVAILABLE if status == HTTPStatus.BAD_GATEWAY else HTTPStatus(status)
    return framework_problem(shown, _MESSAGES.get(shown, shown.phrase))


def as_http(response: Response) -> bytes:
    """The response as the bytes that are sent, which is the format of HAProxy's error files."""
    status = HTTPStatus(response.status_code)
    head = [f"HTTP/1.1 {status.value} {status.phrase}".encode()]
    head += [name + b": " + value for name, value in response.raw_headers]
    return b"\r\n".join([*head, b"cache-control: no-store", b"", bytes(response.body)])
