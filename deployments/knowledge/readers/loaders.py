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
from deployments.knowledge.document_limits import exceeds_chars
from deployments.knowledge.readers import charsets
from deployments.knowledge.readers.csv_tables import csv_markdown
from deployments.knowledge.readers.docx import read_docx
from deployments.knowledge.readers.eml import read_eml
from deployments.knowledge.readers.epub import read_epub
from deployments.knowledge.readers.html import html_text
from deployments.knowledge.readers.markdown.pictures import without_pictures
from deployments.knowledge.readers.markdown.plain_text import plain_markdown
from deployments.knowledge.readers.markdown.reader import read_markdown
from deployments.knowledge.readers.media_types import type_of
from deployments.knowledge.readers.pdf import read_pdf
from deployments.knowledge.readers.pptx import read_pptx
from deployments.knowledge.readers.reading import Reading, UnreadableFile, storable
from deployments.knowledge.readers.xlsx import read_xlsx

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
    """Where people read the document, if it says so; http or https."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What else the document says about itself, by name: at most 32 values of at most 500 characters."""
    warnings: tuple[str, ...] = ()
    """What of the file is not in the text, and what was guessed: one sentence each."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A document to read."""

    raw: bytes
    charset: str | None
    """The charset declared with the media type; None if none was."""
    max_chars: int
    """Most characters of the text."""
    warnings: list[str] = field(default_factory=list)
    """What was guessed."""


def load(draft: DocumentDraft, max_chars: int = MAX_CONTENT_CHARS) -> LoadedDocument:
    """Converts a draft to a text of at most `max_chars` characters.

    The draft's title, section, url and metadata take precedence over the document's own, which are not
    used at all if the draft is fully labelled. Raises UnsupportedMediaType, UnprocessableDocument (the
    message names the document and the reason), InvalidRequest (a label can't be stored, is too long, or has
    too many parts).
    """
    kind, charset = type_of(draft)
    given_title, given_section = " ".join(draft.title.split()), (draft.section or "").strip()
    check_text(given_title, "title", MAX_TITLE_CHARS, may_be_empty=True)
    check_text(given_section, "section", MAX_SECTION_CHARS, may_be_empty=True)
    source = _Source(draft.raw, charset, max_chars)
    try:
        found = _READERS[kind](source)
    except _Unreadable as why:
        raise UnprocessableDocument(f"document {draft.doc_id}: {why}") from why.__cause__
    if draft.fully_labelled:
        found = LoadedDocument("", None, found.text, warnings=found.warnings)
    section = given_section or found.section
    if section is not None and len(section) > MAX_SECTION_CHARS:
        reason = f"the section in its front matter has more than {MAX_SECTION_CHARS} characters"
        raise UnprocessableDocument(f"document {draft.doc_id}: {reason}")
    return LoadedDocument(
        given_title or found.title or draft.doc_id,
        section,
        found.text,
        as_wordings(found.asked_as or draft.asked_as),
        as_url(draft.url, found.url),
        as_metadata(draft.metadata, found.metadata),
        (*source.warnings, *found.warnings),
    )


class _Unreadable(ValueError):
    """A source can't be read. The message is the reason; `load` adds the document's id."""


def _read_markdown(source: _Source) -> LoadedDocument:
    found = read_markdown(_decoded(source))
    matter = found.front_matter
    title = next(filter(None, map(_as_title, (*matter.titles, *found.headings))), "")
    text = _checked(source, found.text)
    return LoadedDocument(title, matter.section or None, text, matter.asked_as, matter.url, matter.labels)


def _read_plain(source: _Source) -> LoadedDocument:
    plain = without_pictures(_decoded(source))
    text = _checked(source, plain_markdown(plain))
    return LoadedDocument(_as_title(plain.strip().split("\n", 1)[0]), None, text)


def _read_html(source: _Source) -> LoadedDocument:
    declared = source.charset or charsets.of_page(
        EncodingDetector.find_declared_encoding(source.raw, is_html=True)
    )
    page = _decoded(replace(source, charset=declared))
    try:
        title, markdown = html_text(page)
    except ValueError as why:
        raise _Unreadable(str(why)) from why
    return LoadedDocument(_as_title(title), None, _checked(source, markdown))


def _read_csv(source: _Source) -> LoadedDocument:
    try:
        text = csv_markdown(_decoded(source))
    except UnreadableFile as why:
        raise _Unreadable(str(why)) from why
    return LoadedDocument("", None, _checked(source, text))


def _file(read: Callable[[bytes, int], Reading]) -> Callable[[_Source], LoadedDocument]:
    """The reader of files that are more than text."""

    def reader(source: _Source) -> LoadedDocument:
        try:
            found = read(source.raw, source.max_chars)
        except UnreadableFile as why:
            raise _Unreadable(str(why)) from why
        text = _checked(source, _clean(found.text))
        return LoadedDocument(_as_title(_clean(found.title)), None, text, warnings=found.warnings)

    return reader


_READERS: dict[MediaType, Callable[[_Source], LoadedDocument]] = {
    MediaType.MARKDOWN: _read_markdown,
    MediaType.PLAIN: _read_plain,
    MediaType.HTML: _read_html,
    MediaType.PDF: _file(read_pdf),
    MediaType.DOCX: _file(read_docx),
    MediaType.PPTX: _file(read_pptx),
    MediaType.XLSX: _file(read_xlsx),
    MediaType.CSV: _read_csv,
    MediaType.EPUB: _file(read_epub),
    MediaType.EML: _file(read_eml),
}


def _decoded(source: _Source) -> str:
    try:
        found = charsets.decoded(source.raw, source.charset)
    except charsets.UnknownCharset as error:
        raise UnsupportedMediaType(str(error)) from error
    except charsets.Undecodable as error:
        raise _Unreadable(str(error)) from error
    if found.guessed is not None:
        source.warnings.append(
            f"its charset was not declared and is guessed to be {found.guessed}; if the text is wrong, "
            "declare it: `Content-Type: text/plain; charset=...`"
        )
    if "\0" in found.text:
        at = found.text.index("\0")
        raise _Unreadable(
            f"it has a NUL character at position {at}; if it is UTF-16, declare `charset=utf-16le`"
        )
    text = found.text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    # Some codecs produce lone surrogates.
    return storable(text)


def _clean(extracted: str) -> str:
    """Removes what extraction leaves in a text: NULs, lone surrogates, blanks at line ends."""
    return "\n".join(line.rstrip(" \t\r") for line in storable(extracted).split("\n"))


def _checked(source: _Source, text: str) -> str:
    """Returns a text without blank lines around it. Raises _Unreadable if it is blank or too long."""
    if not text.strip():
        raise _Unreadable("it holds no text")
    if len(text) > source.max_chars:
        raise _Unreadable(exceeds_chars(source.max_chars))
    return text.strip("\n").rstrip()


def _as_title(candidate: str) -> str:
    title = " ".join(candidate.split())
    return title if len(title) <= MAX_TITLE_CHARS else ""
