"""Documents: as they are stored, searched for and found."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from deployments.core.errors import InvalidRequest
from deployments.core.ids import DocId, Scope
from deployments.core.segments import document_segment

MAX_WORDINGS = 50
"""Wordings of one document."""
MAX_WORDING_CHARS = 500


def as_wordings(given: Sequence[str], param: str = "asked_as") -> tuple[str, ...]:
    """The wordings without duplicates and runs of blanks. Raises InvalidRequest, which names `param`."""
    wordings = tuple(dict.fromkeys(" ".join(wording.replace("\0", " ").split()) for wording in given))
    wordings = tuple(wording for wording in wordings if wording)
    if len(wordings) > MAX_WORDINGS:
        raise InvalidRequest(f"{param} must have at most {MAX_WORDINGS} wordings", param)
    if any(len(wording) > MAX_WORDING_CHARS for wording in wordings):
        raise InvalidRequest(f"a wording in {param} must have at most {MAX_WORDING_CHARS} characters", param)
    return wordings


class MediaType(StrEnum):
    """The types that a document can be uploaded as. The knowledge base has one loader for each."""

    MARKDOWN = "text/markdown"
    PLAIN = "text/plain"
    HTML = "text/html"
    PDF = "application/pdf"


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """One retrieval."""

    scope: Scope
    text: str
    top_k: int
    """Most passages to return."""
    section: str | None = None
    """Only passages of this section; the filter is part of the query, so that `top_k` of them are
    found."""
    further: int = 0
    """Most further passages of the documents that were found, in addition to `top_k`."""


def normalised(question: str) -> str:
    """A question as it is searched for: in Unicode's NFC form, words separated by single blanks.

    Differences that an embedding model or a reader can see, such as upper and lower case, are kept.
    """
    return " ".join(unicodedata.normalize("NFC", question).split())


@dataclass(frozen=True, slots=True)
class Passage:
    """One chunk of a document as retrieval found it."""

    doc_id: DocId
    title: str
    heading: str
    section: str | None
    version: int
    """Version of the document."""
    ordinal: int
    """Number of the chunk in its document."""
    body: str
    score: float
    """Fused rank score (reciprocal rank fusion). For a passage that was not searched for, the measure
    that it was chosen by."""
    similarity: float | None
    """Cosine of question and passage, or of question and the document's most similar wording if that is
    higher. None for a passage that was not searched for, and while the index is rebuilt for another
    embedding model: full text search alone decides then."""

    @property
    def segment(self) -> str:
        """The text of this passage's segment, exactly as prompts contain it."""
        return document_segment(self.title, self.heading, self.body)


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The result of a search."""

    passages: tuple[Passage, ...]
    """Those above the retrieval threshold: first the best passage of each document, then other ones of
    these documents, both best first."""
    generation: int
    """The collection's generation at which they were read."""
    state: str = ""
    """As in `core.leases.Lease`; "" if the result must not be cached."""


@dataclass(frozen=True, slots=True)
class TextHit:
    """A document that full text search found, by its best chunk."""

    doc_id: DocId
    title: str
    heading: str
    section: str | None
    version: int
    score: float
    """1 / (60 + rank), where the best document has rank 1: says nothing but the order."""
    snippet: str
    """The part of the body that matches."""


@dataclass(frozen=True, slots=True)
class Document:
    """A stored document."""

    scope: Scope
    doc_id: DocId
    title: str
    section: str | None
    content: str
    """Its text as Markdown; "" in lists."""
    version: int
    """From 1; each change raises it."""
    chunks: int
    """Number of its chunks."""
    created_at_s: float
    """Unix seconds."""
    updated_at_s: float
    """Unix seconds."""
    asked_as: tuple[str, ...] = ()
    """Wordings in which people ask for it, () in lists. Search uses them; prompts do not contain them."""


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    """One version of a document, the present one or an earlier one."""

    version: int
    title: str
    section: str | None
    content: str | None
    """None in lists."""
    stored_at_s: float
    """Unix seconds. The version was valid from then until the next one."""


@dataclass(frozen=True, slots=True)
class DocumentDraft:
    """A document to store."""

    doc_id: DocId
    title: str
    """If empty, the title is taken from the document."""
    section: str | None
    media_type: str
    """A `MediaType`, as the caller declares it."""
    raw: bytes
    """The file."""
    asked_as: tuple[str, ...] = ()
    """Used if the document itself has none."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """The result of storing or deleting a document."""

    doc_id: DocId
    version: int
    chunks: int
    """Number of its chunks now."""
    kept: int
    """Unchanged chunks, which stay cached."""
    invalidated: int
    """Segments deleted from the token cache because no document has them any more; 0 if the caller
    asked to leave them until they expire."""
    generation: int
    """The collection's generation after the change."""
    tokens_written: int = 0
    """Token ids that write-through added to the token cache."""
