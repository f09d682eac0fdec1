"""Reads PDF files."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from deployments.knowledge.document_limits import exceeds, exceeds_chars
from deployments.knowledge.readers.page_layout import Bookmarks, heading_key, laid_out
from deployments.knowledge.readers.page_lines import Page
from deployments.knowledge.readers.pdf_fields import with_fields
from deployments.knowledge.readers.pdf_pages import PdfPage, unmapped
from deployments.knowledge.readers.pdf_scans import ScanReader, is_picture
from deployments.knowledge.readers.reading import Reading, UnreadableFile, numbers, shortened
from deployments.knowledge.readers.titles import stated_title

MAX_PAGES = 2000
_MAX_BOOKMARKS = 10_000
_MAX_UNMAPPED = 0.3
"""A page with a larger share of characters that can't be told is read as a picture."""
_XFA = (pdfium_c.FORMTYPE_XFA_FULL, pdfium_c.FORMTYPE_XFA_FOREGROUND)


def read_pdf(raw: bytes, max_chars: int) -> Reading:
    """Returns the text with the values of form fields. Pages without text are read as pictures.

    An encrypted file is read if it opens with an empty password. Raises UnreadableFile: also if the text
    has more than `max_chars` characters.
    """
    try:
        document = pdfium.PdfDocument(raw)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) == pdfium_c.FPDF_ERR_PASSWORD:
            raise UnreadableFile("it is encrypted; send a copy that opens without a password") from error
        if getattr(error, "err_code", None) == pdfium_c.FPDF_ERR_SECURITY:
            raise UnreadableFile("it is encrypted in a way that is not supported") from error
        raise UnreadableFile("it is no readable PDF") from error
    with document:
        return _Pages(document, max_chars).read()


class _Pages:
    """The pages of one document, and what of them could not be read."""

    def __init__(self, document: pdfium.PdfDocument, max_chars: int) -> None:
        self._document = document
        self._max_chars = max_chars
        self._scans: ScanReader | None = None
        self._unread: list[int] = []
        self._damaged: list[int] = []
        self._commented: list[int] = []

    def read(self) -> Reading:
        if len(self._document) > MAX_PAGES:
            raise UnreadableFile(exceeds(f"has more than {MAX_PAGES:,} pages"))
        self._document.init_forms()
        pages = list(self._all())
        found = laid_out(pages, self._bookmarks())
        if not found.markdown.strip():
            raise UnreadableFile("; ".join(["it holds no text", *self._warnings()]))
        title = stated_title(self._document.get_metadata_value("Title")) or found.title
        return Reading(title, found.markdown, tuple(self._warnings()))

    def _all(self) -> Iterator[Page]:
        """Stops early: few bytes that many pages share can make gigabytes of text."""
        chars = 0
        for number in range(len(self._document)):
            try:
                stored = self._document[number]
            except pdfium.PdfiumError:
                self._damaged.append(number + 1)
                continue
            text = PdfPage(stored)
            chars += text.chars
            if chars > self._max_chars:
                raise UnreadableFile(exceeds_chars(self._max_chars))
            yield self._page(stored, text.read(), number)
            stored.close()

    def _page(self, stored: pdfium.PdfPage, page: Page, number: int) -> Page:
        typed = with_fields(stored, page)
        if typed.comments:
            self._commented.append(number + 1)
        readable = 0 if unmapped(typed.page) > _MAX_UNMAPPED else typed.page.chars
        if not is_picture(stored, readable):
            return typed.page
        self._scans = self._scans or ScanReader()
        scanned = self._scans.read(stored)
        if scanned is None:
            self._unread.append(number + 1)
        return scanned or typed.page

    def _bookmarks(self) -> Bookmarks:
        found: dict[tuple[int, str], int] = {}
        for bookmark in islice(self._document.get_toc(), _MAX_BOOKMARKS):
            destination = bookmark.get_dest()
            page = destination.get_index() if destination is not None else None
            if page is not None:
                found.setdefault((page, heading_key(bookmark.get_title())), bookmark.level + 1)
        return found

    def _warnings(self) -> Iterator[str]:
        if self._unread:
            yield (
                f"{_pages(self._unread)}: pictures without text, which were not read since that takes too "
                "long; send them as documents of their own, or with a text layer"
            )
        if self._damaged:
            yield f"{_pages(self._damaged)}: damaged and not read"
        if self._commented:
            yield f"{_pages(self._commented)}: comments were not read"
        if self._document.get_formtype() in _XFA:
            yield "it is an XFA form, whose values were not read; print it into a PDF"
        if files := self._document.count_attachments():
            names = (self._document.get_attachment(at).get_name() for at in range(min(files, 20)))
            yield f"attached files were not read: {shortened(', '.join(names))}"


def _pages(found: list[int]) -> str:
    return f"page {found[0]}" if len(found) == 1 else f"pages {numbers(found)}"
