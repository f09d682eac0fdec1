"""Creating calls that may be repeated: the same Idempotency-Key creates once and answers the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Header
from pydantic import BaseModel
from starlette.responses import Response

from deployments.core.idempotency import RepeatableCall
from deployments.core.ids import TenantId
from deployments.core.record_ports import IdempotencyKeys
from serve_app.http.error_bodies import ErrorBody

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="repeating a call under the same key creates nothing more, for 24 hours",
    ),
]
CREATED: dict[int | str, dict[str, Any]] = {
    409: {"model": ErrorBody, "description": "The key belongs to another request, or that is still running"}
}
"""`responses` of a creating route."""


async def created_once(
    keys: IdempotencyKeys,
    call: tuple[TenantId, str],
    key: str | None,
    body: BaseModel,
    create: Callable[[str | None], Awaitable[BaseModel]],
) -> Response:
    """The response of `create`, 201, or the one it had before under this key.

    `call` is the tenant and the operation's name. `create` is given the claim's token, None without a
    key; see `Claim`. What it raises leaves the key free for another attempt. Raises: Conflict.
    """
    if key is None:
        return _created((await create(None)).model_dump_json())
    request = RepeatableCall(*call, key, sha256(body.model_dump_json().encode()).hexdigest())
    claim = await keys.claim(request)
    if claim.response is not None:
        return _created(claim.response, replayed=True)
    try:
        text = (await create(claim.token)).model_dump_json()
        await keys.keep(request, text)
    except BaseException:  # a caller who hangs up included
        await keys.release(request)
        raise
    return _created(text)


def _created(text: str, replayed: bool = False) -> Response:
    headers = {"Idempotent-Replayed": "true"} if replayed else None
    return Response(text, HTTPStatus.CREATED, headers, "application/json")
