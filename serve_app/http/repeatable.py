"""Repeatable creating calls: with the same Idempotency-Key, one creates and all get its response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated

from fastapi import Header
from pydantic import BaseModel
from starlette.responses import Response

from deployments.core.ids import TenantId
from deployments.core.records.idempotency import RepeatableCall
from deployments.core.records.ports import IdempotencyKeys
from serve_app.http.error_bodies import error_responses

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="for 24 hours, repeating a call with the same key creates nothing more",
    ),
]
CREATED = error_responses(
    {409: "The key was used with another request, or the first request with it is still running"}
)
"""`responses` of a creating route."""


async def created_once(
    keys: IdempotencyKeys,
    call: tuple[TenantId, str],
    key: str | None,
    body: BaseModel,
    create: Callable[[str | None], Awaitable[BaseModel]],
) -> Response:
    """The 201 response with what `create` returns, or the response of an earlier call with this key.

    `call` is the tenant and the operation's name. `create` is given the claim's `creation_id`, or None if
    there is no key. If it raises, the key can be used for another attempt. Raises: Conflict.
    """
    if key is None:
        return _created((await create(None)).model_dump_json())
    request = RepeatableCall(*call, key, sha256(body.model_dump_json().encode()).hexdigest())
    claim = await keys.claim(request)
    if claim.response is not None:
        return _created(claim.response, replayed=True)
    try:
        text = (await create(claim.creation_id)).model_dump_json()
        await keys.keep(request, text)
    except BaseException:  # including the cancellation when the caller hangs up
        await keys.release(request)
        raise
    return _created(text)


def _created(text: str, replayed: bool = False) -> Response:
    headers = {"Idempotent-Replayed": "true"} if replayed else None
    return Response(text, HTTPStatus.CREATED, headers, "application/json")
