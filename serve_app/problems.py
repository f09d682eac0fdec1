"""Maps errors to HTTP: one table of statuses, one body (OpenAI's), and never a traceback."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route
from starlette.types import ExceptionHandler, Receive, Scope, Send

from deployments.core import errors

log = logging.getLogger("ray.serve")

STATUS: dict[type[errors.WarmlineError], HTTPStatus] = {
    errors.InvalidRequest: HTTPStatus.BAD_REQUEST,
    errors.PromptTooLong: HTTPStatus.BAD_REQUEST,
    errors.Unauthorized: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.ModelNotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.PayloadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.UnprocessableDocument: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Overloaded: HTTPStatus.TOO_MANY_REQUESTS,
    errors.QuotaExceeded: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.EngineUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.KnowledgeUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.CacheUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
    errors.InternalFault: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.TokenizerRefused: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.ConfigurationError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

_CODES = {STATUS[kind]: kind.code for kind in reversed(STATUS)}
"""Error codes for errors that FastAPI raises, such as an unknown path. If several classes have a status,
the first one's code is used."""
_HEADERS = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": "1"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "2"},
}
_FAULT = errors.InternalFault("an internal error happened; its cause is in the server's log")


class Problem(JSONResponse):
    """The response for an error. Sending it tells the request's clock the error's code."""

    def __init__(
        self, status: HTTPStatus, body: dict[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(body, status, headers={**(headers or {}), **_HEADERS.get(status, {})})
        self._code = body["error"]["code"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the response."""
        if clock := scope.get("state", {}).get("clock"):  # in Serve's proxy there is none
            clock.error = self._code
        await super().__call__(scope, receive, send)


def problem(error: Exception) -> tuple[HTTPStatus, dict[str, Any]]:
    """Status and JSON body of an error. Errors other than WarmlineErrors, and all with status 500, are
    logged and shown as an internal error without details."""
    if not isinstance(error, errors.WarmlineError):
        log.error("unexpected error", exc_info=error)
        error = _FAULT
    status = STATUS[type(error)]
    if status is HTTPStatus.INTERNAL_SERVER_ERROR and error is not _FAULT:
        log.error("internal error: %s", error, exc_info=error)
        error = _FAULT
    return status, _body(status, error.message, error.code, error.param)


def message_of(error: Exception) -> str:
    """What a caller may read of an error, by `problem`."""
    _, body = problem(error)
    return str(body["error"]["message"])


def problem_response(error: Exception) -> Problem:
    """The response for an error, by `problem`."""
    status, body = problem(error)
    response = Problem(status, body)
    if isinstance(error, errors.QuotaExceeded):
        response.headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    return response


def framework_problem(status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None) -> Problem:
    """The response for an error of FastAPI, or of a server in front of it (Serve's proxy, HAProxy)."""
    code = _CODES.get(status) or status.phrase.lower().replace(" ", "_")
    return Problem(status, _body(status, message, code, None), headers)


def install(app: FastAPI) -> None:
    """Registers handlers for WarmlineErrors, validation errors and HTTPExceptions, not for the rest."""
    app.add_exception_handler(errors.WarmlineError, _answer)
    # Starlette's type of a handler takes any Exception; it calls these with their own class only.
    app.add_exception_handler(RequestValidationError, cast(ExceptionHandler, _answer_validation))
    app.add_exception_handler(HTTPException, cast(ExceptionHandler, _answer_http))


async def _answer(_: Request, error: Exception) -> Response:
    return problem_response(error)


async def _answer_validation(_: Request, error: RequestValidationError) -> Response:
    status = HTTPStatus.BAD_REQUEST
    first = error.errors()[0]
    if isinstance(first["input"], bytes):  # FastAPI parses a body only if its Content-Type is JSON
        return problem_response(errors.UnsupportedMediaType("send JSON, with Content-Type: application/json"))
    param = _param(first["loc"])
    reason = "this field is not supported" if first["type"] == "extra_forbidden" else first["msg"]
    message = f"{param}: {reason}" if param else str(reason)
    return Problem(status, _body(status, message, errors.InvalidRequest.code, param))


async def _answer_http(request: Request, error: HTTPException) -> Response:
    status = HTTPStatus(error.status_code)
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(sorted(_methods(request)))
        message = f"this path does not take {request.method[:20]}, only {allowed}"
        return framework_problem(status, message, {"Allow": allowed})
    return framework_problem(status, str(error.detail), error.headers)


def _methods(request: Request) -> set[str]:
    """What the path of a request takes. A path can have several routes, of which Starlette names one."""
    routes = [route for route in request.app.router.routes if isinstance(route, Route)]
    matching = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in matching for method in route.methods or ()}


def _param(location: Sequence[int | str]) -> str | None:
    # The first part is body, query or path. A number after a name is a position in a list, else in the JSON.
    param = ""
    for part in location[1:]:
        if isinstance(part, str):
            param += f".{part}" if param else part
        elif param:
            param += f"[{part}]"
    return param or None


def _body(status: HTTPStatus, message: str, code: str, param: str | None) -> dict[str, Any]:
    kind = "invalid_request_error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
    return {"error": {"message": message, "type": kind, "code": code, "param": param}}
