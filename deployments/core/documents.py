"""Documents: what is stored, what is searched for and what is found. Frozen and picklable."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from deployments.core.errors import InvalidRequest
from deployments.core.ids import DocId, Scope
from deployments.core.segments import document_segment

MAX_WORDINGS = 50
"""Of a document."""
MAX_WORDING_CHARS = 500


def as_wordings(given: Sequence[str], param: str = "asked_as") -> tuple[str, ...]:
    """The wordings, each once, without runs of blanks. Raises InvalidRequest, which names `param`."""
    wordings = tuple(dict.fromkeys(" ".join(wording.replace("\0", " ").split()) for wording in given))
    wordings = tuple(wording for wording in wordings if wording)
    if len(wordings) > MAX_WORDINGS:
        raise InvalidRequest(f"{param} must have at most {MAX_WORDINGS} wordings", param)
    if any(len(wording) > MAX_WORDING_CHARS for wording in wordings):
        raise InvalidRequest(f"a wording in {param} must have at most {MAX_WORDING_CHARS} characters", param)
    return wordings


class MediaType(StrEnum):
    """What a document can be uploaded as. The knowledge base has one reader for each."""

    MARKDOWN = "text/markdown"
    PLAIN = "text/plain"
    HTML = "text/html"
    PDF = "application/pdf"


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """One retrieval. `section` filters inside the query, so `top_k` passages of that section come back."""

    scope: Scope
    text: str
    top_k: int
    section: str | None = None


def normalised(question: str) -> str:
    """A question as it is searched for: in Unicode's NFC form, with one blank between words and none around.

    Differences that an embedding model or a reader can see, such as upper and lower case, stay.
    """
    return " ".join(unicodedata.normalize("NFC", question).split())


@dataclass(frozen=True, slots=True)
class Passage:
    """One chunk of a document as retrieval found it.

    In a `Retrieval` the best of each document come first, then the others, both from the best down.
    `score` is the fused rank score (reciprocal rank fusion), `similarity` the cosine with the question,
    raised where a wording of the document resembles it more; None while the index is rebuilt for another
    embedding model, when full text alone decides, and for a passage that was not searched
    for (its score is then whatever it was chosen by).
    """

    doc_id: DocId
    title: str
    heading: str
    section: str | None
    version: int
    ordinal: int
    body: str
    score: float
    similarity: float | None

    @property
    def segment(self) -> str:
        """The text of this passage's segment; see `core.segments`."""
        return document_segment(self.title, self.heading, self.body)


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Passages above the retrieval threshold, and the collection's generation they were read at.

    `state` is that of `core.leases.Lease`, or "" where nobody may keep them.
    """

    passages: tuple[Passage, ...]
    generation: int
    state: str = ""


@dataclass(frozen=True, slots=True)
class TextHit:
    """A document that full text search found, by its best chunk. `snippet` is where the body matches.

    `score` is comparable within one search only.
    """

    doc_id: DocId
    title: str
    heading: str
    section: str | None
    version: int
    score: float
    snippet: str


@dataclass(frozen=True, slots=True)
class Document:
    """A stored document. `content` is its text as Markdown; times are Unix seconds.

    `asked_as` are wordings under which people ask for it: search knows them, prompts don't.
    """

    scope: Scope
    doc_id: DocId
    title: str
    section: str | None
    content: str
    version: int
    chunks: int
    created_at_s: float
    updated_at_s: float
    asked_as: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    """What a document said from `stored_at_s` (Unix seconds) on, until its next version.

    `content` is None in lists.
    """

    version: int
    title: str
    section: str | None
    content: str | None
    stored_at_s: float


@dataclass(frozen=True, slots=True)
class DocumentDraft:
    """A document to store: raw bytes of `media_type`; an empty title is taken from the document.

    `asked_as` is used where the document itself has none.
    """

    doc_id: DocId
    title: str
    section: str | None
    media_type: str
    raw: bytes
    asked_as: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ingested:
    """What storing or deleting a document did: `kept` chunks are unchanged and so stay cached.

    `invalidated` counts the segments that no document has any more, and is 0 where the caller wanted
    those to stay in the token cache until they expire.
    """

    doc_id: DocId
    version: int
    chunks: int
    kept: int
    invalidated: int
    generation: int
    tokens_written: int = 0
