"""Bodies of the documentation agent."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from deployments.core.documents import Document, DocumentVersion, TextHit
from deployments.core.ids import DocId
from deployments.core.limits import (
    MAX_ANSWER_TOKENS,
    MAX_CONTENT_CHARS,
    MAX_MATERIAL_CHARS,
    MAX_QUERY_CHARS,
    MAX_TEMPERATURE,
    MAX_TOPIC_CHARS,
)
from deployments.core.writing import WrittenDocument
from serve_app.http.answers import AnswerBody, AskBody, ReuseBody
from serve_app.http.body import Body
from serve_app.http.moments import moment

Section: TypeAlias = Literal["api", "guide", "tutorial", "reference"]


class DocumentationQuestion(AskBody):
    """A question to the documentation agent; with a `section`, answered from that one's documents only."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"query": "How to authenticate?", "section": "api"}]}
    )

    query: str = Field(min_length=1, max_length=MAX_QUERY_CHARS)
    section: Section | None = None
    max_tokens: int = Field(1000, ge=1, le=MAX_ANSWER_TOKENS, description="of the answer")


class DocumentationAnswer(AnswerBody):
    """The documentation agent's answer."""

    text_field = "documentation"
    documentation: str


class WritingRequest(Body):
    """What to write about, and from what: both texts stand in the prompt, whole."""

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
    doc_type: Section = Field("guide", description="the section that the document will stand in")
    source_code: str | None = Field(None, max_length=MAX_MATERIAL_CHARS)
    specifications: str | None = Field(None, max_length=MAX_MATERIAL_CHARS)
    max_tokens: int = Field(1000, ge=1, le=MAX_ANSWER_TOKENS, description="of the document")
    temperature: float | None = Field(None, ge=0, le=MAX_TEMPERATURE, description="0 is greedy")


class WrittenBody(BaseModel):
    """A document that was written and stored. `tokens` counts its text, `total_tokens` the prompt with it.

    `finish_reason` is "length" where `max_tokens` cut it off.
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
    def of(cls, written: WrittenDocument) -> WrittenBody:
        """From the message."""
        document, answer = written.document, written.answer
        return cls(
            doc_id=document.doc_id,
            title=document.title,
            section=document.section,
            version=document.version,
            content=document.content,
            tokens=answer.answer_tokens,
            total_tokens=answer.total_tokens,
            finish_reason=answer.finish_reason,
            latency_ms=answer.latency_ms,
            reuse=ReuseBody.model_validate(answer.reuse_dict()),
            timings_ms=dict(answer.timings_ms),
            request_id=answer.request_id,
        )


class UpdateRequest(Body):
    """A document's new text, as Markdown; its title and section stay."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"content": "# Greeting\n\nCall `greet`."}]})

    content: str = Field(min_length=1, max_length=MAX_CONTENT_CHARS)
    invalidate_cache: bool = Field(
        True, description="false: what the old text had in the token cache is left to expire, unused"
    )


class VersionBody(BaseModel):
    """What a document said from `stored_at` on. `content` is null in lists."""

    doc_id: str
    version: int
    title: str
    section: str | None
    stored_at: datetime
    content: str | None

    @classmethod
    def of(cls, doc_id: DocId, version: DocumentVersion) -> VersionBody:
        """From the message."""
        return cls(
            doc_id=doc_id,
            version=version.version,
            title=version.title,
            section=version.section,
            stored_at=moment(version.stored_at_s),
            content=version.content,
        )

    @classmethod
    def present(cls, document: Document) -> VersionBody:
        """A document as it is now."""
        return cls(
            doc_id=document.doc_id,
            version=document.version,
            title=document.title,
            section=document.section,
            stored_at=moment(document.updated_at_s),
            content=document.content,
        )


class VersionPage(BaseModel):
    """Versions, newest first; `next` is what to pass as `before` for those older than them."""

    versions: list[VersionBody]
    next: int | None


class TextHitBody(BaseModel):
    """A document that was found; `score` is comparable within one search."""

    doc_id: str
    title: str
    heading: str
    section: str | None
    version: int
    score: float
    snippet: str

    @classmethod
    def of(cls, hit: TextHit) -> TextHitBody:
        """From the message."""
        return cls(**asdict(hit))


class TextSearchBody(BaseModel):
    """Documents that a full text search found, best first."""

    query: str
    total_results: int
    results: list[TextHitBody]
