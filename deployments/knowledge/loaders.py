"""Converts documents of several media types to Markdown, and finds their titles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from bs4.dammit import EncodingDetector

from deployments.core.document_labels import as_metadata, as_url
from deployments.core.documents import DocumentDraft, MediaType, as_wordings
from deployments.core.errors import UnprocessableDocument, UnsupportedMediaType
from deployments.core.limits import MAX_CONTENT_CHARS, MAX_SECTION_CHARS
from deployments.core.texts import check_text
from deployments.knowledge import charsets
from deployments.knowledge.document_limits import exceeds_chars
from deployments.knowledge.html import html_text
from deployments.knowledge.markdown_outline import outline, split_front_matter
from deployments.knowledge.pdf import UnreadablePdf, pdf_text
from deployments.knowledge.pictures import without_pictures

MAX_TITLE_CHARS = 200
"""A title is part of every segment of its document, so it has to be short."""


@dataclass(frozen=True, slots=True)
class LoadedDocument:
    """A document as it will be stored."""

    title: str
    """Empty if a reader found none; `load` then uses the document's id."""
    section: str | None
    text: str
    """Markdown with `\\n` line ends."""
    asked_as: tuple[str, ...] = ()
    """Wordings under which people ask for the document."""
    url: str | None = None
    """Where people read it."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The document's own labels, with those of the draft."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A document to read."""

    raw: bytes
    charset: str | None
    """The charset declared with the media type; None if none was."""
    max_chars: int
    """Most characters of the text."""


def load(draft: DocumentDraft, max_chars: int = MAX_CONTENT_CHARS) -> LoadedDocument:
    """Converts a draft to a text of at most `max_chars` characters.

    The draft's title, section, url and metadata take precedence over the document's own. Raises
    UnsupportedMediaType, UnprocessableDocument (the message names the document and the reason),
    InvalidRequest (a label can't be stored, is too long, or has too many parts).
    """
    kind, charset = _parse_media_type(draft.media_type)
    reader = _READERS.get(kind)
    if reader is None:
        allowed = ", ".join(_READERS)
        raise UnsupportedMediaType(f"{kind or 'no media type'} is not supported; supported: {allowed}")
    given_title, given_section = " ".join(draft.title.split()), (draft.section or "").strip()
    check_text(given_title, "title", MAX_TITLE_CHARS, may_be_empty=True)
    check_text(given_section, "section", MAX_SECTION_CHARS, may_be_empty=True)
    try:
        found = reader(_Source(draft.raw, charset, max_chars))
    except _Unreadable as why:
        raise UnprocessableDocument(f"document {draft.doc_id}: {why}") from why.__cause__
    return LoadedDocument(
        given_title or found.title or draft.doc_id,
        given_section or found.section,
        found.text,
        as_wordings(found.asked_as or draft.asked_as),
        as_url(draft.url, found.url),
        as_metadata(draft.metadata, found.metadata),
    )


class _Unreadable(ValueError):
    """A source can't be read. The message is the reason; `load` adds the document's id."""


def _read_markdown(source: _Source) -> LoadedDocument:
    front_matter, text = split_front_matter(_decoded(source))
    text = _checked(source, without_pictures(text))
    headings = (heading.text for heading in outline(text).headings)
    title = front_matter.values.get("title") or next(headings, "")
    section = front_matter.values.get("section") or None
    if section is not None and len(section) > MAX_SECTION_CHARS:
        raise _Unreadable(f"the section in its front matter has more than {MAX_SECTION_CHARS} characters")
    return LoadedDocument(_as_title(title), section, text, front_matter.lists.get("asked_as", ()))


def _read_plain(source: _Source) -> LoadedDocument:
    text = _checked(source, without_pictures(_decoded(source)))
    return LoadedDocument(_as_title(text.split("\n", 1)[0]), None, text)


def _read_html(source: _Source) -> LoadedDocument:
    declared = source.charset or EncodingDetector.find_declared_encoding(source.raw, is_html=True)
    page = _decoded(replace(source, charset=declared))
    try:
        title, markdown = html_text(page)
    except ValueError as why:
        raise _Unreadable(str(why)) from why
    return LoadedDocument(_as_title(title), None, _checked(source, markdown))


def _read_pdf(source: _Source) -> LoadedDocument:
    try:
        title, text = pdf_text(source.raw, source.max_chars)
    except UnreadablePdf as why:
        raise _Unreadable(str(why)) from why
    text = _checked(source, text, "it holds no text; scanned pages can't be read")
    return LoadedDocument(_as_title(title or text.split("\n", 1)[0]), None, text)


_READERS: dict[str, Callable[[_Source], LoadedDocument]] = {
    MediaType.MARKDOWN: _read_markdown,
    MediaType.PLAIN: _read_plain,
    MediaType.HTML: _read_html,
    MediaType.PDF: _read_pdf,
}


def _parse_media_type(media_type: str) -> tuple[str, str | None]:
    kind, *parameters = (part.strip() for part in media_type.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return kind.lower(), value.strip().strip('"')
    return kind.lower(), None


def _decoded(source: _Source) -> str:
    charset = source.charset or "utf-8"
    codec = charsets.codec(charset)
    if codec is None:
        raise UnsupportedMediaType(f"unknown charset {charset[:40]!r}; supported: {charsets.SUPPORTED}")
    try:
        text = source.raw.decode(codec)
    except UnicodeError as error:
        raise _Unreadable(f"its bytes are not valid {charset.upper()}") from error
    if "\0" in text:
        raise _Unreadable(f"it has a NUL character at position {text.index(chr(0))}")
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    # Some codecs produce lone surrogates, which databases and tokenizers reject.
    return text.encode("utf-8", "replace").decode()


def _checked(source: _Source, text: str, blank: str = "it holds no text") -> str:
    """Returns a text without blank lines around it. Raises _Unreadable if it is blank or too long."""
    if not text.strip():
        raise _Unreadable(blank)
    if len(text) > source.max_chars:
        raise _Unreadable(exceeds_chars(source.max_chars))
    return text.strip("\n").rstrip()


def _as_title(candidate: str) -> str:
    title = " ".join(candidate.split())
    return title if len(title) <= MAX_TITLE_CHARS else ""
