"""What the servers around the application say where it can't: the same body as its own errors."""

from __future__ import annotations

from http import HTTPStatus

from starlette.responses import Response

from serve_app.problems import framework_problem

_GONE = "the application can't be reached; try again later"
_SAID = {
    HTTPStatus.BAD_REQUEST: "the request is not valid HTTP",
    HTTPStatus.NOT_FOUND: "there is nothing at this path",
    HTTPStatus.REQUEST_TIMEOUT: "the request did not arrive in time",
    HTTPStatus.TOO_MANY_REQUESTS: "too many requests are waiting; try again later",
    HTTPStatus.INTERNAL_SERVER_ERROR: "an internal error happened; its cause is in the server's log",
    HTTPStatus.SERVICE_UNAVAILABLE: _GONE,
    HTTPStatus.GATEWAY_TIMEOUT: "the application did not answer in time",
}
HAPROXY_STATUSES = (400, 408, 500, 502, 503, 504)
"""What HAProxy 2.8 answers by itself in Serve's configuration."""


def server_error(status: int) -> Response:
    """The response for a status of a server's own. Behind a 502 is a replica that went away."""
    known = HTTPStatus.SERVICE_UNAVAILABLE if status == HTTPStatus.BAD_GATEWAY else HTTPStatus(status)
    return framework_problem(known, _SAID.get(known, known.phrase))


def as_http(response: Response) -> bytes:
    """The response as it goes over the wire: what HAProxy calls an error file."""
    status = HTTPStatus(response.status_code)
    head = [f"HTTP/1.1 {status.value} {status.phrase}".encode()]
    head += [name + b": " + value for name, value in response.raw_headers]
    return b"\r\n".join([*head, b"cache-control: no-store", b"", bytes(response.body)])
