"""Bodies of documents and their collections."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import BaseModel, Field

from deployments.core.documents import Document, Ingested
from serve_app.schemas.body import Body


class DocumentLabels(Body):
    """A document's title and section."""

    title: str = Field("", max_length=500, description="empty: taken from the content")
    section: str | None = Field(None, max_length=100)


class DocumentUpload(DocumentLabels):
    """A document as JSON; `content` is Markdown. Any other type is sent as the raw body."""

    content: str = Field(min_length=1)


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
