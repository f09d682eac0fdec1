"""What a response means: its JSON is the result, or an error to raise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import httpx

from deployments.core.errors import InternalFault, InvalidRequest, Unavailable, WarmlineError


def _below(kind: type[WarmlineError]) -> Iterator[type[WarmlineError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


_BY_CODE = {kind.code: kind for kind in _below(WarmlineError)}


def result_of(response: httpx.Response, url: str) -> Any:
    """The JSON of a response. Error messages name `url`, the application's.

    Raises the error that an error response describes, and Unavailable when the response is not Warmline's.
    """
    status = response.status_code
    if response.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Unavailable(f"{url} answered {status} and no JSON; is it Warmline?")
    answer = response.json()
    if response.is_success:
        return answer
    raise error_of(answer, status) or Unavailable(
        f"{url} answered {status} with an error that is not Warmline's"
    )


def error_of(body: object, status: int = HTTPStatus.INTERNAL_SERVER_ERROR) -> WarmlineError | None:
    """The error that a response's JSON, or an event of a stream, tells of; None if it tells of none."""
    match body:
        case {"error": {"message": str(message), "code": str(code), "param": str() | None as param}}:
            return _kind(code, status)(message, param)
    return None


def results_of(response: httpx.Response, url: str) -> list[Any]:
    """The JSON of each line of a response. Raises as `result_of` does."""
    if response.headers.get("content-type", "").partition(";")[0].strip() != "application/x-ndjson":
        result_of(response, url)
        raise Unavailable(f"{url} answered with one JSON value instead of lines; is it an older Warmline?")
    return [json.loads(line) for line in response.content.splitlines()]


def _kind(code: str, status: int) -> type[WarmlineError]:
    """FastAPI's own errors, such as a method that is not allowed, have codes that belong to no class."""
    fallback = InvalidRequest if status < HTTPStatus.INTERNAL_SERVER_ERROR else InternalFault
    return _BY_CODE.get(code, fallback)
