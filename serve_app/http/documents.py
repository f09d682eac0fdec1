"""Documents of a collection: stored, read, deleted, listed."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
from deployments.core.ids import DocId, Scope, doc_id
from deployments.core.limits import MAX_CONTENT_CHARS, MAX_SECTION_CHARS
from serve_app.http.body import Body, FromCore
from serve_app.http.context import ScopeDep, ServicesDep
from serve_app.http.error_bodies import ERROR_RESPONSES, error_responses
from serve_app.http.fields import DocumentUrl, Metadata, PageMark, json_parameter
from serve_app.http.filters import OnlyDep
from serve_app.http.id_path import DOC_ID
from serve_app.http.uploads import media_type, upload
from serve_app.services import Services

_MAX_METADATA_JSON_CHARS = 20_000

router = APIRouter(
    prefix="/v1/collections/{name}/documents",
    tags=["documents"],
    responses=ERROR_RESPONSES | error_responses({404: "No such document or collection"}),
)

_UNTOLD = "application/octet-stream"


class DocumentLabels(Body):
    """A document's title, section and address."""

    title: str = Field("", max_length=500, description="empty: taken from the content")
    section: str | None = Field(None, max_length=MAX_SECTION_CHARS)
    url: DocumentUrl | None = None


class QueryLabels(DocumentLabels):
    """The labels of a document that is sent as the raw body."""

    metadata: str = Field(
        "{}", max_length=_MAX_METADATA_JSON_CHARS, description="your own labels, as a JSON object of texts"
    )


class DocumentUpload(DocumentLabels):
    """A document as JSON; `content` is Markdown. Any other type is sent as the raw body."""

    content: str = Field(min_length=1, max_length=MAX_CONTENT_CHARS)
    metadata: Metadata = Field({}, examples=[{"product": "harbor", "lang": "en"}])
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
    url: str | None
    metadata: dict[str, str]
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
    """What storing or deleting a document did. `kept` chunks were unchanged and stay cached.

    `warnings` say what of the file is not in the stored text, such as pages that could not be read.
    """


@router.put(
    f"/{DOC_ID}",
    openapi_extra=upload([*MediaType, _UNTOLD], {"application/json": DocumentUpload.model_json_schema()}),
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
    labels: Annotated[QueryLabels, Query()],
) -> IngestedBody:
    """Stores a document or a new version of it, and makes it searchable before it returns.

    The type of `application/octet-stream` is told by the file's contents, or by how its id ends (`.csv`).
    """
    declared = request.headers.get("content-type", "")
    raw = await request.body()
    draft = DocumentDraft(
        doc_id(identifier),
        labels.title,
        labels.section,
        declared,
        raw,
        url=labels.url,
        metadata=json_parameter(Metadata, labels.metadata, "metadata"),
    )
    if media_type(request) == "application/json":
        draft = _from_json(draft)
    return _changed(parts, where, await parts.library.put(where, draft))


@router.get(f"/{DOC_ID}")
async def get(identifier: str, where: ScopeDep, parts: ServicesDep) -> DocumentBody:
    """Reads a document with its content."""
    return DocumentBody.whole(await parts.library.get(where, doc_id(identifier)))


@router.delete(f"/{DOC_ID}")
async def delete(identifier: str, where: ScopeDep, parts: ServicesDep) -> IngestedBody:
    """Deletes a document and its versions; no answer uses it once this has returned.

    `POST /v1/erasures` also makes its KV blocks in the engine unreachable, with all others of the tenant.
    """
    return _changed(parts, where, await parts.library.delete(where, doc_id(identifier)))


@router.get("")
async def listing(
    where: ScopeDep,
    parts: ServicesDep,
    only: OnlyDep,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    after: PageMark | None = None,
) -> DocumentPage:
    """Lists the collection's documents, or those that match, by id, without their contents."""
    last = None if after is None else doc_id(after)
    # One more tells whether there is a next page.
    found = await parts.library.list(where, limit + 1, last, only)
    shown = [DocumentBody.listed(document) for document in found[:limit]]
    return DocumentPage(documents=shown, next=shown[-1].doc_id if len(found) > limit else None)


def _changed(parts: Services, where: Scope, ingested: Ingested) -> IngestedBody:
    parts.changed(where, ingested.invalidated)
    return IngestedBody.of(ingested)


def markdown_draft(identifier: DocId, body: DocumentUpload) -> DocumentDraft:
    """The draft of a document that was sent as JSON."""
    return DocumentDraft(
        identifier,
        body.title,
        body.section,
        f"{MediaType.MARKDOWN}; charset=utf-8",
        body.content.encode(),
        tuple(body.asked_as),
        body.url,
        body.metadata,
    )


def _from_json(draft: DocumentDraft) -> DocumentDraft:
    try:
        body = DocumentUpload.model_validate_json(draft.raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        param = ".".join(str(part) for part in first["loc"]) or None
        raise InvalidRequest(f"{param or 'body'}: {first['msg']}", param) from None
    sent = markdown_draft(draft.doc_id, body)
    return replace(
        sent,
        title=sent.title or draft.title,
        section=sent.section or draft.section,
        url=sent.url or draft.url,
        metadata={**draft.metadata, **sent.metadata},
    )
