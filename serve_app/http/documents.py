"""Documents of a collection: stored, read, deleted, listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field, ValidationError

from deployments.core.documents import (
    MAX_WORDING_CHARS,
    MAX_WORDINGS,
    Document,
    DocumentDraft,
    Ingested,
    MediaType,
)
from deployments.core.errors import InvalidRequest
from deployments.core.ids import Scope, doc_id
from deployments.core.limits import MAX_CONTENT_CHARS, MAX_SECTION_CHARS
from serve_app.http.body import Body, FromCore
from serve_app.http.context import ScopeDep, ServicesDep
from serve_app.http.error_bodies import ERROR_RESPONSES, error_responses
from serve_app.http.fields import PageMark
from serve_app.http.uploads import media_type, upload
from serve_app.services import Services

router = APIRouter(
    prefix="/v1/collections/{name}/documents",
    tags=["documents"],
    responses=ERROR_RESPONSES | error_responses({404: "No such document or collection"}),
)


class DocumentLabels(Body):
    """A document's title and section."""

    title: str = Field("", max_length=500, description="empty: taken from the content")
    section: str | None = Field(None, max_length=MAX_SECTION_CHARS)


class DocumentUpload(DocumentLabels):
    """A document as JSON; `content` is Markdown. Any other type is sent as the raw body."""

    content: str = Field(min_length=1, max_length=MAX_CONTENT_CHARS)
    asked_as: list[Annotated[str, Field(max_length=MAX_WORDING_CHARS)]] = Field(
        [],
        max_length=MAX_WORDINGS,
        fail_fast=True,
        description="wordings under which people ask for it, used by search only; Markdown may list them "
        "in its front matter instead",
        examples=[["it won't let me in", "locked out after too many tries"]],
    )


class DocumentBody(FromCore, BaseModel):
    """A stored document."""

    doc_id: str
    collection: str
    title: str
    section: str | None
    version: int
    chunks: int
    created_at_s: float
    updated_at_s: float
    asked_as: list[str] | None = None
    content: str | None = None

    @classmethod
    def whole(cls, document: Document) -> Self:
        """With content and wordings."""
        return cls.of(document, collection=document.scope.collection)

    @classmethod
    def listed(cls, document: Document) -> Self:
        """Without content and wordings."""
        return cls.of(document, collection=document.scope.collection, content=None, asked_as=None)


class DocumentPage(BaseModel):
    """Documents by id; `next` is what to pass as `after` for those that follow them."""

    documents: list[DocumentBody]
    next: str | None


@dataclass(frozen=True, slots=True)
class IngestedBody(FromCore, Ingested):
    """What storing or deleting a document did. `kept` chunks were unchanged and stay cached."""


@router.put(
    "/{identifier}",
    openapi_extra=upload(MediaType, {"application/json": DocumentUpload.model_json_schema()}),
    responses=error_responses(
        {
            409: "A quota of documents or bytes is used up; nothing was stored",
            415: "No type that can be read",
            422: "The document can't be read; nothing was stored",
        }
    ),
)
async def put(
    identifier: str,
    request: Request,
    where: ScopeDep,
    parts: ServicesDep,
    labels: Annotated[DocumentLabels, Query()],
) -> IngestedBody:
    """Stores a document or a new version of it, and makes it searchable before it returns."""
    declared = request.headers.get("content-type", "")
    raw = await request.body()
    draft = DocumentDraft(doc_id(identifier), labels.title, labels.section, declared, raw)
    if media_type(request) == "application/json":
        draft = _from_json(draft)
    return _changed(parts, where, await parts.library.put(where, draft))


@router.get("/{identifier}")
async def get(identifier: str, where: ScopeDep, parts: ServicesDep) -> DocumentBody:
    """Reads a document with its content."""
    return DocumentBody.whole(await parts.library.get(where, doc_id(identifier)))


@router.delete("/{identifier}")
async def delete(identifier: str, where: ScopeDep, parts: ServicesDep) -> IngestedBody:
    """Deletes a document; no answer uses it once this has returned."""
    return _changed(parts, where, await parts.library.delete(where, doc_id(identifier)))


@router.get("")
async def listing(
    where: ScopeDep,
    parts: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    after: PageMark | None = None,
) -> DocumentPage:
    """Lists the collection's documents by id, without their contents."""
    last = None if after is None else doc_id(after)
    found = await parts.library.list(where, limit + 1, last)  # one more tells whether there is a next page
    shown = [DocumentBody.listed(document) for document in found[:limit]]
    return DocumentPage(documents=shown, next=shown[-1].doc_id if len(found) > limit else None)


def _changed(parts: Services, where: Scope, ingested: Ingested) -> IngestedBody:
    parts.changed(where, ingested.invalidated)
    return IngestedBody.of(ingested)


def _from_json(draft: DocumentDraft) -> DocumentDraft:
    try:
        body = DocumentUpload.model_validate_json(draft.raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        param = ".".join(str(part) for part in first["loc"]) or None
        raise InvalidRequest(f"{param or 'body'}: {first['msg']}", param) from None
    return DocumentDraft(
        draft.doc_id,
        body.title or draft.title,
        body.section or draft.section,
        f"{MediaType.MARKDOWN}; charset=utf-8",
        body.content.encode(),
        tuple(body.asked_as),
    )
