"""Documentation that the model writes, and the seam to the agent that has it written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from deployments.core.documents import Document, Ingested, TextHit
from deployments.core.ids import DocId, RequestId, TenantId
from deployments.core.ledger import Answer

DEFAULT_DOC_TYPE: Final = "guide"


@dataclass(frozen=True, slots=True)
class WritingOrder:
    """What to write about, and from what. `doc_type` is the section that the document will stand in.

    `token` (see `Claim`) makes the document's id, so that an order given twice is one document.
    """

    tenant: TenantId
    topic: str
    request_id: RequestId
    doc_type: str = DEFAULT_DOC_TYPE
    source_code: str | None = None
    specifications: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    token: str | None = None
    deadline_s: float = 120.0
    arrived_unix_s: float | None = None


@dataclass(frozen=True, slots=True)
class WrittenDocument:
    """A document as it is stored, and the answer that it was made from.

    The answer's `finish_reason` is "length" where the text was cut off by `max_tokens`.
    """

    document: Document
    answer: Answer


class DocumentationDesk(Protocol):
    """What the documentation agent does besides answering; see `DocumentationService`."""

    async def generate_documentation(self, order: WritingOrder) -> WrittenDocument:
        """Has a document written and stores it."""

    async def update_documentation(
        self, tenant: TenantId, doc_id: DocId, content: str, invalidate_cache: bool
    ) -> Ingested:
        """Stores a new version of a document's text."""

    async def search_documentation(self, tenant: TenantId, query: str, limit: int) -> tuple[TextHit, ...]:
        """Ranked full text."""
