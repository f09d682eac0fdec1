"""Bodies of documents and their collections."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import BaseModel, Field

from deployments.core.documents import MAX_WORDINGS, Document, Ingested
from serve_app.http.body import Body


class DocumentLabels(Body):
    """A document's title and section."""

    title: str = Field("", max_length=500, description="empty: taken from the content")
    section: str | None = Field(None, max_length=100)


class DocumentUpload(DocumentLabels):
    """A document as JSON; `content` is Markdown. Any other type is sent as the raw body."""

    content: str = Field(min_length=1)
    asked_as: list[str] = Field(
        [],
        max_length=MAX_WORDINGS,
        description="wordings under which people ask for it, for search alone; Markdown may list them "
        "in its front matter instead",
        examples=[["it won't let me in", "locked out after too many tries"]],
    )


class DocumentBody(BaseModel):
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
    def of(cls, document: Document, with_content: bool) -> DocumentBody:
        """From the message."""
        return cls(
            doc_id=document.doc_id,
            collection=document.scope.collection,
            title=document.title,
            section=document.section,
            version=document.version,
            chunks=document.chunks,
            created_at_s=document.created_at_s,
            updated_at_s=document.updated_at_s,
            asked_as=list(document.asked_as) if with_content else None,
            content=document.content if with_content else None,
        )


class DocumentPage(BaseModel):
    """Documents by id; `next` is what to pass as `after` for those behind them."""

    documents: list[DocumentBody]
    next: str | None


class IngestedBody(BaseModel):
    """What storing or deleting a document did. `kept` chunks were unchanged and stay cached."""

    doc_id: str
    version: int
    chunks: int
    kept: int
    invalidated: int
    generation: int
    tokens_written: int

    @classmethod
    def of(cls, ingested: Ingested) -> IngestedBody:
        """From the message."""
        return cls(**asdict(ingested))
