"""API keys of the tenant, and what its administrators did. All routes need the scope `admin`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from deployments.core.access import (
    MAX_KEYS,
    MAX_ROTATION_S,
    Actor,
    KeyDraft,
    KeyScope,
)
from deployments.core.errors import Conflict
from serve_app.http.body import Body, FromCore
from serve_app.http.context import AccessDep, ServicesDep, TenantDep
from serve_app.http.error_bodies import ERROR_RESPONSES, error_responses
from serve_app.http.fields import Moment, PageMark, RecordId

router = APIRouter(
    prefix="/v1", tags=["keys"], responses=ERROR_RESPONSES | error_responses({404: "No such key"})
)
_MAX_LIFE_S = 10 * 365 * 24 * 3600


async def actor(request: Request, access: AccessDep, parts: ServicesDep) -> Actor:
    """Who manages keys. Raises Conflict if the API has none, since stored keys would protect nothing."""
    if parts.key_ring.keyless:
        raise Conflict(
            "this server answers without API keys: start it with WARMLINE_API_KEYS=<your key>=*, and make "
            "other keys with that one"
        )
    return Actor(access.key_id, request.state.request_id)


ActorDep = Annotated[Actor, Depends(actor)]


class KeyRequest(Body):
    """A key to make."""

    name: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*$", examples=["shop frontend"])
    scopes: list[KeyScope] = Field(
        [KeyScope.ASK],
        min_length=1,
        max_length=len(KeyScope),
        fail_fast=True,
        description="ask: read and ask; write: change what is stored; admin: manage keys, erase",
    )
    expires_in_s: int | None = Field(None, ge=1, le=_MAX_LIFE_S, description="null: never")


class RotationRequest(Body):
    """How a key is rotated."""

    keep_former_s: int = Field(
        0,
        ge=0,
        le=MAX_ROTATION_S,
        description="how long the former secret stays valid; 0 ends all former secrets",
    )


class KeyBody(FromCore, BaseModel):
    """A key without its secret."""

    key_id: str
    tenant: str
    name: str
    scopes: list[KeyScope]
    created_at: Moment
    expires_at: Moment | None
    revoked_at: Moment | None
    last_used_at: Moment | None = Field(description="up to a minute old")


class IssuedKeyBody(KeyBody):
    """A key with its secret, which can't be shown again."""

    secret: str


class KeyPage(BaseModel):
    """Keys by id; `next` is what to pass as `after` for those that follow them."""

    keys: list[KeyBody]
    next: str | None


class AuditBody(FromCore, BaseModel):
    """One use of the scope `admin`."""

    entry_id: str
    at: Moment
    key_id: str
    action: str
    subject: str
    request_id: str


class AuditPage(BaseModel):
    """Entries, latest first; `next` is what to pass as `before` for older ones."""

    entries: list[AuditBody]
    next: str | None


@router.post(
    "/keys", status_code=201, responses=error_responses({409: f"{MAX_KEYS} valid keys, or a server without"})
)
async def create(body: KeyRequest, parts: ServicesDep, owner: TenantDep, by: ActorDep) -> IssuedKeyBody:
    """Makes a key. Its secret is in this response only."""
    draft = KeyDraft(body.name, tuple(body.scopes), body.expires_in_s)
    issued = await parts.keys.create_key(by, owner, draft)
    return IssuedKeyBody.of(issued.key, secret=issued.secret)


@router.get("/keys")
async def listing(
    parts: ServicesDep,
    owner: TenantDep,
    by: ActorDep,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    after: PageMark | None = None,
) -> KeyPage:
    """Lists the tenant's keys, oldest first; revoked ones for 90 days."""
    found = await parts.keys.list_keys(by, owner, limit + 1, after)
    shown = [KeyBody.of(key) for key in found[:limit]]
    return KeyPage(keys=shown, next=shown[-1].key_id if len(found) > limit else None)


@router.post(
    "/keys/{key_id}/rotation",
    responses=error_responses({409: "The key is revoked or has expired, or has two valid secrets already"}),
)
async def rotate(
    key_id: RecordId, parts: ServicesDep, owner: TenantDep, by: ActorDep, body: RotationRequest | None = None
) -> IssuedKeyBody:
    """Gives a key a new secret, which is in this response only."""
    kept_s = body.keep_former_s if body else 0
    issued = await parts.keys.rotate_key(by, owner, key_id, kept_s)
    return IssuedKeyBody.of(issued.key, secret=issued.secret)


@router.delete("/keys/{key_id}")
async def revoke(key_id: RecordId, parts: ServicesDep, owner: TenantDep, by: ActorDep) -> KeyBody:
    """Revokes a key for good. Every replica refuses it 2 seconds later at the latest."""
    return KeyBody.of(await parts.keys.revoke_key(by, owner, key_id))


@router.get("/audit")
async def audit(
    parts: ServicesDep,
    owner: TenantDep,
    by: ActorDep,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: PageMark | None = None,
) -> AuditPage:
    """Lists what administrators of the tenant did, latest first, for 400 days."""
    found = await parts.keys.audit(by, owner, limit + 1, before)
    shown = [AuditBody.of(entry) for entry in found[:limit]]
    return AuditPage(entries=shown, next=shown[-1].entry_id if len(found) > limit else None)
