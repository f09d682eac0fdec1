"""Documents of a collection: in, out, and what a change invalidated."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError

from deployments.core.documents import DocumentDraft, Ingested
from deployments.core.errors import InvalidRequest
from deployments.core.ids import Scope, doc_id
from serve_app.http.context import ScopeDep, ServicesDep
from serve_app.http.documents_bodies import (
    DocumentBody,
    DocumentLabels,
    DocumentPage,
    DocumentUpload,
    IngestedBody,
)
from serve_app.http.error_bodies import ERROR_RESPONSES, ErrorBody
from serve_app.services import Services

router = APIRouter(
    prefix="/v1/collections/{name}/documents",
    tags=["documents"],
    responses={**ERROR_RESPONSES, 404: {"model": ErrorBody, "description": "No such document or collection"}},
)

_UPLOADS = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": DocumentUpload.model_json_schema()},
            "text/markdown": {"schema": {"type": "string"}},
            "text/plain": {"schema": {"type": "string"}},
            "text/html": {"schema": {"type": "string"}},
            "application/pdf": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@router.put(
    "/{identifier}",
    openapi_extra=_UPLOADS,
    responses={
        415: {"model": ErrorBody, "description": "No type that can be read"},
        422: {"model": ErrorBody, "description": "The document can't be read; nothing was stored"},
    },
)
async def put(
    identifier: str,
    request: Request,
    where: ScopeDep,
    parts: ServicesDep,
    labels: Annotated[DocumentLabels, Query()],
) -> IngestedBody:
    """Stores a document or a new version of it, and makes it searchable before it returns."""
    media_type = request.headers.get("content-type", "")
    raw = await request.body()
    draft = DocumentDraft(doc_id(identifier), labels.title, labels.section, media_type, raw)
    if media_type.partition(";")[0].strip().lower() == "application/json":
        draft = _from_json(draft)
    return _told(parts, where, await parts.library.put(where, draft))


@router.get("/{identifier}")
async def get(identifier: str, where: ScopeDep, parts: ServicesDep) -> DocumentBody:
    """A document with its content."""
    return DocumentBody.of(await parts.library.get(where, doc_id(identifier)), with_content=True)


@router.delete("/{identifier}")
async def delete(identifier: str, where: ScopeDep, parts: ServicesDep) -> IngestedBody:
    """Deletes a document; no answer uses it once this has returned."""
    return _told(parts, where, await parts.library.delete(where, doc_id(identifier)))


@router.get("")
async def listing(
    where: ScopeDep,
    parts: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    after: str | None = None,
) -> DocumentPage:
    """The collection's documents by id, without their contents."""
    last = None if after is None else doc_id(after)
    found = await parts.library.list(where, limit + 1, last)  # one more tells whether there is a next page
    shown = [DocumentBody.of(document, with_content=False) for document in found[:limit]]
    return DocumentPage(documents=shown, next=shown[-1].doc_id if len(found) > limit else None)


def _told(parts: Services, where: Scope, ingested: Ingested) -> IngestedBody:
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
        "text/markdown; charset=utf-8",
        body.content.encode(),
        tuple(body.asked_as),
    )
