"""What a call gives back: the response's JSON, or its error raised."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from deployments.core.errors import InternalFault, InvalidRequest, Unavailable, WarmlineError


def _below(kind: type[WarmlineError]) -> Iterator[type[WarmlineError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


_BY_CODE = {kind.code: kind for kind in _below(WarmlineError)}


def result_of(status: int, content_type: str, body: bytes, where: str) -> Any:
    """The JSON of a response. `where` says in messages who answered.

    Raises the error that the body tells of; Unavailable when the response is none of the application's.
    """
    if content_type.partition(";")[0].strip() != "application/json":
        raise Unavailable(f"{where} answered {status} and no JSON; is it Warmline?")
    answer = json.loads(body)
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return answer
    match answer:
        case {"error": {"message": str(message), "code": str(code), "param": str() | None as param}}:
            raise _kind(code, status)(message, param)
    raise Unavailable(f"{where} answered {status} with an error that is not Warmline's")


def _kind(code: str, status: int) -> type[WarmlineError]:
    """The framework's own errors, such as a method that is not allowed, have codes of no class."""
    fallback = InvalidRequest if status < HTTPStatus.INTERNAL_SERVER_ERROR else InternalFault
    return _BY_CODE.get(code, fallback)
