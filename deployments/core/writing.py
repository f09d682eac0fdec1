"""Documents that the model writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from deployments.core.documents import Document
from deployments.core.ids import RequestId, TenantId
from deployments.core.ledger import Answer
from deployments.core.time_spent import TimeSpent

DEFAULT_DOC_TYPE: Final = "guide"


@dataclass(frozen=True, slots=True)
class WritingOrder:
    """An order to write one document."""

    tenant: TenantId
    topic: str
    request_id: RequestId
    doc_type: str = DEFAULT_DOC_TYPE
    """Also the section of the stored document."""
    source_code: str | None = None
    specifications: str | None = None
    max_tokens: int | None = None
    """None: the agent's default."""
    temperature: float | None = None
    """None: the agent's default."""
    idempotency_key: str | None = None
    """The document's id is derived from it, so that a repeated order stores one document. None: a new
    id."""
    deadline_s: float = 120.0
    """Counted from the request's arrival."""
    spent: TimeSpent | None = None
    """Since the edge received the request; None if there was no edge."""
    key_id: str = ""
    """The API key whose usage it is; "" for none."""


@dataclass(frozen=True, slots=True)
class WrittenDocument:
    """A document that the model wrote."""

    document: Document
    """As it is stored."""
    answer: Answer
    """The answer that it was made from. `finish_reason` is "length" if `max_tokens` cut the text off."""
