"""The body that all errors have, and how a route's errors are documented."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel

Responses: TypeAlias = dict[int | str, dict[str, Any]]
"""FastAPI's `responses` of a route or router."""


class ErrorDetail(BaseModel):
    """OpenAI's error object."""

    message: str
    type: str
    code: str
    param: str | None


class ErrorBody(BaseModel):
    """The body of every error."""

    error: ErrorDetail


def error_responses(descriptions: Mapping[int | str, str]) -> Responses:
    """`responses` from descriptions by status."""
    return {status: {"model": ErrorBody, "description": text} for status, text in descriptions.items()}


ERROR_RESPONSES = error_responses(
    {
        400: "The request can't be used; `param` names the field",
        401: "No API key, or an unknown one",
        403: "The key belongs to another tenant",
        413: "The body is too large",
        429: "Too many requests at once, or a quota is used up, which `param` names",
        503: "A part is not ready",
        504: "The request's deadline passed",
        # Also keeps FastAPI from documenting a body of its own for 422, which is never sent.
        "default": "Any other error",
    }
)
"""Errors that every route can answer with."""
