"""Documentation that the model writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from deployments.core.documents import Document
from deployments.core.ids import RequestId, TenantId
from deployments.core.ledger import Answer

DEFAULT_DOC_TYPE: Final = "guide"


@dataclass(frozen=True, slots=True)
class WritingOrder:
    """What to write about, and from what. `doc_type` is the section that the document will stand in.

    `idempotency_key` makes the document's id, so that an order given twice is one document.
    """

    tenant: TenantId
    topic: str
    request_id: RequestId
    doc_type: str = DEFAULT_DOC_TYPE
    source_code: str | None = None
    specifications: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    idempotency_key: str | None = None
    deadline_s: float = 120.0
    arrived_unix_s: float | None = None


@dataclass(frozen=True, slots=True)
class WrittenDocument:
    """A document as it is stored, and the answer that it was made from.

    The answer's `finish_reason` is "length" where the text was cut off by `max_tokens`.
    """

    document: Document
    answer: Answer
