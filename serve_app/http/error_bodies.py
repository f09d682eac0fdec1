"""The one body of all errors, and the statuses every route can answer with."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class ErrorDetail(BaseModel):
    """OpenAI's error object."""

    message: str
    type: str
    code: str
    param: str | None


class ErrorBody(BaseModel):
    """The one body of all errors."""

    error: ErrorDetail


ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "The request can't be used; `param` names the field"},
    401: {"model": ErrorBody, "description": "No API key, or an unknown one"},
    403: {"model": ErrorBody, "description": "The key belongs to another tenant"},
    413: {"model": ErrorBody, "description": "The body is too large"},
    429: {"model": ErrorBody, "description": "Too many requests at once"},
    503: {"model": ErrorBody, "description": "A part is not ready"},
    504: {"model": ErrorBody, "description": "The request's deadline passed"},
    # Also keeps FastAPI from documenting a body of its own for 422, which is never sent.
    "default": {"model": ErrorBody, "description": "Any other error"},
}
