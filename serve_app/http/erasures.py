"""Erasures of documents, collections, customers and tenants. All routes need the scope `admin`."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from deployments.core.access import Actor
from deployments.core.erasure import ErasureKind, ErasureState, ErasureTarget
from deployments.core.errors import InvalidRequest
from deployments.core.ids import TenantId, doc_id
from serve_app.http.body import Body, FromCore
from serve_app.http.context import CallDep, ServicesDep, TenantDep, collection_of
from serve_app.http.error_bodies import ERROR_RESPONSES, error_responses
from serve_app.http.fields import Moment, RecordId, UserId
from serve_app.services import Services

router = APIRouter(
    prefix="/v1/erasures",
    tags=["erasures"],
    responses=ERROR_RESPONSES | error_responses({404: "No such erasure or collection"}),
)

UNREACHABLE = {
    "kv_blocks": "until the engine evicts them",
    "kept_answers": "answers kept for equal requests, until their TTL ends",
    "search_vectors": "vectors of a collection, until its next search",
    "question_logs": "files on machines where no agent has answered the tenant lately, until newer questions "
    "replace them (a tenant has at most 32 MiB on each)",
}
"""What an erasure leaves where no request can reach it, and for how long."""
KEPT_OF_TENANT = ("api_keys", "audit", "quotas", "usage")
"""What the erasure of a tenant keeps: it has no texts of documents or customers."""


class CustomerErasure(Body):
    """Erases the tickets, templates, ideas and conversations with this `user_id`, and other conversations
    that used the passages of such a ticket.
    """

    kind: Literal["customer"]
    user_id: UserId


class DocumentErasure(Body):
    """Erases a document with its versions, and conversations that used its passages.

    If the document was changed or is deleted already, nothing tells its former passages. Then conversations
    go that used any passage which the collection no longer has, up to an hour after the last change.
    """

    kind: Literal["document"]
    collection: str = Field(max_length=64)
    doc_id: str = Field(max_length=1000)


class CollectionErasure(Body):
    """Erases all documents of a collection, and conversations that used them."""

    kind: Literal["collection"]
    collection: str = Field(max_length=64)


class TenantErasure(Body):
    """Erases everything that the tenant has stored. `confirm` is the tenant's name."""

    kind: Literal["tenant"]
    confirm: str = Field(max_length=64)


ErasureRequest = Annotated[
    CustomerErasure | DocumentErasure | CollectionErasure | TenantErasure, Field(discriminator="kind")
]


class ErasureBody(FromCore, BaseModel):
    """An erasure."""

    erasure_id: str
    kind: ErasureKind
    state: ErasureState
    requested_at: Moment
    finished_at: Moment | None
    removed: dict[str, int] = Field(description="how many things were deleted, by what they are")
    unreachable: list[str] = Field(
        list(UNREACHABLE),
        description="what may stay for some time, where no request can reach it: "
        + "; ".join(f"`{name}`: {how_long}" for name, how_long in UNREACHABLE.items()),
    )
    kept: list[str] = Field([], description="what stays stored, since it has no texts of the tenant")
    problem: str | None = Field(description="why the last attempt did not finish; it is tried again")


@router.post("", responses={202: {"model": ErasureBody, "description": "It goes on in the background"}})
async def erase(body: ErasureRequest, response: Response, parts: ServicesDep, call: CallDep) -> ErasureBody:
    """Deletes texts and all that was derived from them: database, caches, conversations that used the
    documents, and responses kept for repeated calls. A new cache salt makes KV blocks unreachable.

    Returns when everything is deleted, or after 30 seconds with the status 202; `GET` follows it then. It
    goes on after a crash. All cached tokens of the tenant go with it: they are computed again when needed.
    """
    by = Actor(call.key_id, call.request_id)
    found = await parts.erasures.erase(by, call.tenant, _target(body, call.tenant, parts))
    if found.state is ErasureState.RUNNING:
        response.status_code = 202
    return _shown(ErasureBody.of(found))


@router.get("/{erasure_id}")
async def show(erasure_id: RecordId, parts: ServicesDep, owner: TenantDep) -> ErasureBody:
    """Shows how far an erasure is. Erasures can be looked up for 400 days."""
    return _shown(ErasureBody.of(await parts.erasures.erasure(owner, erasure_id)))


def _target(body: ErasureRequest, owner: TenantId, parts: Services) -> ErasureTarget:
    match body:
        case CustomerErasure():
            return ErasureTarget(ErasureKind.CUSTOMER, subject=body.user_id)
        case DocumentErasure():
            where = collection_of(parts, body.collection, "collection")
            return ErasureTarget(ErasureKind.DOCUMENT, where, doc_id(body.doc_id))
        case CollectionErasure():
            where = collection_of(parts, body.collection, "collection")
            return ErasureTarget(ErasureKind.COLLECTION, where)
        case TenantErasure():
            if body.confirm != owner:
                raise InvalidRequest(f"confirm must be the tenant's name, {owner}", "confirm")
            return ErasureTarget(ErasureKind.TENANT)


def _shown(body: ErasureBody) -> ErasureBody:
    return body.model_copy(update={"kept": list(KEPT_OF_TENANT)}) if body.kind == "tenant" else body
