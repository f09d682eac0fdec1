"""Documentation: looked up, written, updated, searched, and its earlier versions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from deployments.agents.specs import DOCUMENTATION, DOCUMENTATION_WRITER, Section
from deployments.core.documents import Document, TextHit
from deployments.core.ids import Scope, TenantId, doc_id
from deployments.core.limits import (
    DEFAULT_TOP_K,
    MAX_ANSWER_TOKENS,
    MAX_CONTENT_CHARS,
    MAX_MATERIAL_CHARS,
    MAX_QUERY_CHARS,
    MAX_TEMPERATURE,
    MAX_TOP_K,
    MAX_TOPIC_CHARS,
)
from deployments.core.texts import check_text
from deployments.core.writing import DEFAULT_DOC_TYPE, WritingOrder, WrittenDocument
from serve_app.http.answers import EVENTS, AnswerBody, AskBody, ReuseBody, answered
from serve_app.http.body import Body, FromCore
from serve_app.http.context import Call, CallDep, ServicesDep, TenantDep
from serve_app.http.documents import IngestedBody
from serve_app.http.error_bodies import ERROR_RESPONSES, error_responses
from serve_app.http.fields import AnswerTokens, Moment, QueryText
from serve_app.http.filters import OnlyDep
from serve_app.http.id_path import DOC_ID
from serve_app.http.repeatable import CREATED, IdempotencyKey, created_once

router = APIRouter(prefix="/v1/documentation", tags=["documentation"], responses=ERROR_RESPONSES)

_MISSING = error_responses({404: "No such document, or no such version of it"})
_UNREADABLE = error_responses({422: "No text to store; nothing was stored"})
_MAX_VERSION = 2**31 - 1


class DocumentationQuestion(AskBody):
    """A question to the documentation agent; with a `section`, answered from its documents only."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"query": "How to authenticate?", "section": "api"}]}
    )

    query: QueryText
    section: Section | None = None
    max_tokens: AnswerTokens = DOCUMENTATION.max_tokens


class DocumentationAnswer(AnswerBody):
    """The documentation agent's answer."""

    text_field = "documentation"
    documentation: str


class WritingRequest(Body):
    """What to write about, and from what: the prompt has both texts, whole."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "topic": "Greeting people",
                    "doc_type": "api",
                    "source_code": "def greet(name: str) -> str:\n    return f'Hello, {name}'",
                }
            ]
        }
    )

    topic: str = Field(min_length=1, max_length=MAX_TOPIC_CHARS, description="the document's title")
    doc_type: Section = Field(DEFAULT_DOC_TYPE, description="the section that the document is stored in")
    source_code: str | None = Field(None, max_length=MAX_MATERIAL_CHARS)
    specifications: str | None = Field(None, max_length=MAX_MATERIAL_CHARS)
    max_tokens: int = Field(
        DOCUMENTATION_WRITER.max_tokens, ge=1, le=MAX_ANSWER_TOKENS, description="of the document"
    )
    temperature: float | None = Field(None, ge=0, le=MAX_TEMPERATURE, description="0 is greedy")

    def order(self, call: Call) -> WritingOrder:
        """What to write."""
        return WritingOrder(
            call.tenant,
            request_id=call.request_id,
            deadline_s=call.timeout_s,
            spent=call.clock.spent(),
            key_id=call.key_id,
            **self.model_dump(),
        )


class WrittenBody(FromCore, BaseModel):
    """A document that was written and stored.

    `tokens` counts its text, `total_tokens` the prompt and its text. `finish_reason` is "length" when
    `max_tokens` cut it off.
    """

    doc_id: str
    title: str
    section: str | None
    version: int
    content: str
    tokens: int
    total_tokens: int
    finish_reason: str
    latency_ms: float
    reuse: ReuseBody
    timings_ms: dict[str, float]
    request_id: str

    @classmethod
    def from_written(cls, written: WrittenDocument) -> Self:
        """The body of a document and of the answer that it was made from."""
        return cls.of(written.document, written.answer, tokens=written.answer.answer_tokens)


class UpdateRequest(Body):
    """A document's new text, as Markdown. Title, section, url, metadata and wordings stay.

    Front matter in the new text does not change them.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"content": "# Greeting\n\nCall `greet`."}]})

    content: str = Field(min_length=1, max_length=MAX_CONTENT_CHARS)
    invalidate_cache: bool = Field(
        True, description="false: the old text stays in the token cache until it expires, unused"
    )


class VersionBody(FromCore, BaseModel):
    """A document's text from `stored_at` until its next version. `content` is null in lists."""

    doc_id: str
    version: int
    title: str
    section: str | None
    url: str | None
    metadata: dict[str, str]
    stored_at: Moment
    content: str | None

    @classmethod
    def present(cls, document: Document) -> Self:
        """The version that a document has now."""
        return cls.of(document, stored_at=document.updated_at_s)


class VersionPage(BaseModel):
    """Versions, newest first; `next` is what to pass as `before` for older ones."""

    versions: list[VersionBody]
    next: int | None


@dataclass(frozen=True, slots=True)
class TextHitBody(FromCore, TextHit):
    """A document that was found; scores can be compared within one search only."""


class TextSearchBody(BaseModel):
    """Documents that a full text search found, best first."""

    query: str
    total_results: int
    results: list[TextHitBody]


@router.post("/lookup", response_model=DocumentationAnswer, responses=EVENTS)
async def lookup(body: DocumentationQuestion, parts: ServicesDep, call: CallDep) -> Response:
    """Answers a question from the documentation, as JSON or, with `stream`, as events."""
    ask = body.ask(call, body.query, body.section)
    return await answered(parts.agents[DOCUMENTATION.name], ask, body, DocumentationAnswer, call.clock)


@router.post("/generate", response_model=WrittenBody, status_code=201, responses=CREATED | _UNREADABLE)
async def generate(
    body: WritingRequest, parts: ServicesDep, call: CallDep, key: IdempotencyKey = None
) -> Response:
    """Has the model write a document from source code and specifications, and stores it."""
    order = body.order(call)

    async def write(idempotency_key: str | None) -> BaseModel:
        written = await parts.writer.generate_documentation(replace(order, idempotency_key=idempotency_key))
        return WrittenBody.from_written(replace(written, answer=call.clock.stamp(written.answer)))

    return await created_once(parts.idempotency, (call.tenant, "documentation.generate"), key, body, write)


@router.get("/search")
async def search(
    parts: ServicesDep,
    owner: TenantDep,
    query: Annotated[str, Query(min_length=1, max_length=MAX_QUERY_CHARS, examples=["webhook signature"])],
    only: OnlyDep,
    limit: Annotated[int, Query(ge=1, le=MAX_TOP_K)] = DEFAULT_TOP_K,
) -> TextSearchBody:
    """Finds documents that have the words of a query, by full text search, best first."""
    check_text(query, "query", MAX_QUERY_CHARS)
    hits = await parts.library.search_text(_scope(owner), query, limit, only)
    results = [TextHitBody.of(hit) for hit in hits]
    return TextSearchBody(query=query, total_results=len(results), results=results)


@router.put(f"/{DOC_ID}", responses=_MISSING | _UNREADABLE)
async def update(identifier: str, body: UpdateRequest, parts: ServicesDep, owner: TenantDep) -> IngestedBody:
    """Stores a new version of a document; no answer uses the old text once this has returned."""
    check_text(body.content, "content", MAX_CONTENT_CHARS)
    ingested = await parts.library.revise(
        _scope(owner), doc_id(identifier), body.content, body.invalidate_cache
    )
    parts.changed(_scope(owner), ingested.invalidated)
    return IngestedBody.of(ingested)


@router.get(f"/{DOC_ID}/versions", responses=_MISSING)
async def versions(
    identifier: str,
    parts: ServicesDep,
    owner: TenantDep,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[int | None, Query(ge=1, le=_MAX_VERSION)] = None,
) -> VersionPage:
    """Lists a document's versions, newest first, without their contents.

    A document whose own id ends in `/versions` is read below `/v1/collections/documentation/documents`.
    """
    name = doc_id(identifier)
    found = await parts.library.versions(_scope(owner), name, limit + 1, before)
    shown = [VersionBody.of(version, doc_id=name) for version in found[:limit]]
    return VersionPage(versions=shown, next=shown[-1].version if len(found) > limit else None)


@router.get(f"/{DOC_ID}", responses=_MISSING)
async def get(
    identifier: str,
    parts: ServicesDep,
    owner: TenantDep,
    version: Annotated[
        int | None, Query(ge=1, le=_MAX_VERSION, description="without one, the present version")
    ] = None,
) -> VersionBody:
    """Reads a document as it is now, or one of its earlier versions."""
    name = doc_id(identifier)
    if version is None:
        return VersionBody.present(await parts.library.get(_scope(owner), name))
    return VersionBody.of(await parts.library.version(_scope(owner), name, version), doc_id=name)


def _scope(owner: TenantId) -> Scope:
    return Scope(owner, DOCUMENTATION.collection)
