"""Documents: as they are stored, searched for and found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from deployments.core.document_labels import EVERY_DOCUMENT, DocumentFilter
from deployments.core.errors import InvalidRequest
from deployments.core.ids import DocId, Scope
from deployments.core.segments import document_segment
from deployments.core.words import visible

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
    DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
    XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    CSV = "text/csv"
    EPUB = "application/epub+zip"
    EML = "message/rfc822"


EXTENSIONS: Mapping[str, MediaType] = {
    ".md": MediaType.MARKDOWN,
    ".markdown": MediaType.MARKDOWN,
    ".txt": MediaType.PLAIN,
    ".html": MediaType.HTML,
    ".htm": MediaType.HTML,
    ".xhtml": MediaType.HTML,
    ".pdf": MediaType.PDF,
    ".docx": MediaType.DOCX,
    ".pptx": MediaType.PPTX,
    ".xlsx": MediaType.XLSX,
    ".csv": MediaType.CSV,
    ".tsv": MediaType.CSV,
    ".epub": MediaType.EPUB,
    ".eml": MediaType.EML,
}
"""How the names of files end."""


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
    only: DocumentFilter = EVERY_DOCUMENT
    """Only passages of these documents; part of the query, as the section is."""
    talk: tuple[str, ...] = ()
    """Earlier questions of the conversation, normalised, oldest first. They count as far as `text` does not
    stand alone."""
    further: int = 0
    """Most further passages of the documents that were found, in addition to `top_k`."""


def normalised(question: str) -> str:
    """A question as it is searched for: as `visible` gives it, words separated by single blanks.

    Differences that an embedding model or a reader can see, such as upper and lower case, are kept.
    """
    return " ".join(visible(question).split())


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
    """Fused rank score (reciprocal rank fusion), plus 1 for each identifier of the question that the passage
    spells, or for all rare words. For a passage that was not searched for, the measure that it was chosen
    by."""
    similarity: float | None
    """Cosine of question and passage, or of question and the document's most similar wording if that is
    higher. None for a passage that was not searched for, and while the index is rebuilt for another
    embedding model: full text search alone decides then."""
    url: str | None = None
    """Address of the document; None if it was stored without one."""
    start: int | None = None
    """The passage is made from `content[start:end]` of the document, counted in Unicode code points. None
    if the document was last indexed by a version that did not record it."""
    end: int | None = None
    """See `start`."""

    @property
    def segment(self) -> str:
        """The text of this passage's segment, exactly as prompts contain it."""
        return document_segment(self.title, self.heading, self.body)


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The result of a search."""

    passages: tuple[Passage, ...]
    """Those above the retrieval threshold, and those that spell what the question asks for: first the best
    passage of each document, then other ones of these documents, both best first."""
    generation: int
    """The collection's generation at which they were read."""
    state: str = ""
    """As in `core.leases.Lease`; "" if the result must not be cached."""
    searched_as: str = ""
    """The text that decided the search most: the query's, or its talk followed by it. "" if the passages
    were not searched for."""


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
    url: str | None = None
    """Address of the document."""


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
    url: str | None = None
    """Where people read it; answers that cite it carry it."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The caller's own labels, by which questions and searches can be filtered."""


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
    url: str | None = None
    """As in `Document`."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """As in `Document`."""


@dataclass(frozen=True, slots=True)
class DocumentDraft:
    """A document to store."""

    doc_id: DocId
    title: str
    """If empty, the title is taken from the document."""
    section: str | None
    media_type: str
    """A `MediaType`, as the caller declares it. If the caller does not know it (""), the file tells."""
    raw: bytes
    """The file."""
    asked_as: tuple[str, ...] = ()
    """Used if the document itself has none."""
    url: str | None = None
    """If None, the url is taken from the document."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Added to the document's own metadata; for a key of both, this value counts."""
    fully_labelled: bool = False
    """Whether the labels given here are all: title, section, url, metadata and wordings that the document
    itself has are not used."""


def revision(present: Document, content: str) -> DocumentDraft:
    """A draft with a new Markdown text and the labels of the present document."""
    return DocumentDraft(
        present.doc_id,
        present.title,
        present.section,
        MediaType.MARKDOWN,
        content.encode(),
        present.asked_as,
        present.url,
        present.metadata,
        fully_labelled=True,
    )


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
    warnings: tuple[str, ...] = ()
    """What of the file is not in the stored text, such as pages that can't be read; and what was guessed."""
    changed: bool = True
    """False if an equal document was stored before."""
