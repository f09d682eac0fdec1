"""Requests whose body is a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import Request

BINARY: Mapping[str, Any] = {"type": "string", "format": "binary"}
"""JSON schema of a file's bytes."""


def upload(media_types: Iterable[str], described: Mapping[str, Any]) -> dict[str, Any]:
    """`openapi_extra` of a route that takes a file.

    The body is a file of one of `media_types`, or has a media type of `described`, which maps it to the
    body's JSON schema.
    """
    files = {kind: {"type": "string"} if kind.startswith("text/") else BINARY for kind in media_types}
    content = {kind: {"schema": schema} for kind, schema in {**described, **files}.items()}
    return {"requestBody": {"required": True, "content": content}}


def media_type(request: Request) -> str:
    """A request's media type, in lower case and without parameters; "" if none is declared."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
