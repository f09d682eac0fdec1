"""Reads what was typed into a PDF: values of form fields and text on top of the page."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from deployments.knowledge.readers.page_lines import Line, Page, Piece
from deployments.knowledge.readers.pdf_pages import place

_MAX_ANNOTATIONS = 5000
"""On one page."""
_MAX_VALUE_BYTES = 200_000
_INVISIBLE = pdfium_c.FPDF_ANNOT_FLAG_HIDDEN | pdfium_c.FPDF_ANNOT_FLAG_NOVIEW
_TICKED = {True: "[x]", False: "[ ]"}
_TICKS = frozenset({pdfium_c.FPDF_FORMFIELD_CHECKBOX, pdfium_c.FPDF_FORMFIELD_RADIOBUTTON})
_VALUES = frozenset(
    {pdfium_c.FPDF_FORMFIELD_TEXTFIELD, pdfium_c.FPDF_FORMFIELD_COMBOBOX, pdfium_c.FPDF_FORMFIELD_LISTBOX}
)
_SHUT = frozenset(
    {
        pdfium_c.FPDF_ANNOT_TEXT,
        pdfium_c.FPDF_ANNOT_HIGHLIGHT,
        pdfium_c.FPDF_ANNOT_UNDERLINE,
        pdfium_c.FPDF_ANNOT_STRIKEOUT,
        pdfium_c.FPDF_ANNOT_SQUIGGLY,
        pdfium_c.FPDF_ANNOT_CARET,
    }
)
"""Comments, which a reader sees only after a click."""
_PASSWORD_FLAG = 1 << 13


@dataclass(frozen=True, slots=True)
class Typed:
    """A page with what was typed into it."""

    page: Page
    comments: int
    """Comments of reviewers that are not in it."""


def with_fields(stored: pdfium.PdfPage, page: Page) -> Typed:
    """Adds values of fields after their labels, and text boxes where they stand."""
    comments = 0
    for annotation in _annotations(stored):
        if annotation.kind == pdfium_c.FPDF_ANNOT_WIDGET:
            page = _with_value(page, annotation)
        elif annotation.kind == pdfium_c.FPDF_ANNOT_FREETEXT:
            for piece in annotation.pieces(annotation.contents):
                page = place(page, Line((_as_high_as_text(piece, page),)))
        elif annotation.kind in _SHUT:
            comments += bool(annotation.contents.strip())
    return Typed(page, comments)


class _Annotation:
    def __init__(self, stored: pdfium.PdfPage, handle: Any) -> None:
        self._stored = stored
        self._handle = handle
        self.kind: int = pdfium_c.FPDFAnnot_GetSubtype(handle)

    @property
    def contents(self) -> str:
        return _text(lambda *into: pdfium_c.FPDFAnnot_GetStringValue(self._handle, b"Contents", *into))

    @property
    def field(self) -> int:
        """The type of a form field."""
        form = self._stored.formenv
        return int(pdfium_c.FPDFAnnot_GetFormFieldType(form, self._handle)) if form is not None else -1

    @property
    def value(self) -> str:
        """What a form field shows; "" if it is empty, a button or a password."""
        form = self._stored.formenv
        if self.field in _TICKS:
            return _TICKED[bool(pdfium_c.FPDFAnnot_IsChecked(form, self._handle))]
        is_password = pdfium_c.FPDFAnnot_GetFormFieldFlags(form, self._handle) & _PASSWORD_FLAG
        if self.field not in _VALUES or is_password:
            return ""
        return _text(lambda *into: pdfium_c.FPDFAnnot_GetFormFieldValue(form, self._handle, *into))

    def pieces(self, text: str) -> Iterator[Piece]:
        """The lines of a text at the annotation's place."""
        area = pdfium_c.FS_RECTF()
        pdfium_c.FPDFAnnot_GetRect(self._handle, area)
        left, _, _, top = self._stored.get_cropbox()
        lines = [line for line in text.replace("\r", "\n").split("\n") if line.strip()]
        height = (area.top - area.bottom) / max(len(lines), 1)
        for number, line in enumerate(lines):
            y = top - area.top + number * height
            yield Piece(" ".join(line.split()), area.left - left, area.right - left, y, y + height)


def _annotations(stored: pdfium.PdfPage) -> Iterator[_Annotation]:
    """The visible ones."""
    for at in range(min(pdfium_c.FPDFPage_GetAnnotCount(stored), _MAX_ANNOTATIONS)):
        handle = pdfium_c.FPDFPage_GetAnnot(stored, at)
        if not handle:
            continue
        try:
            if not pdfium_c.FPDFAnnot_GetFlags(handle) & _INVISIBLE:
                yield _Annotation(stored, handle)
        finally:
            pdfium_c.FPDFPage_CloseAnnot(handle)


def _text(read: Callable[..., int]) -> str:
    """The text that a function of PDFium writes into a buffer."""
    size = min(read(None, 0), _MAX_VALUE_BYTES)
    buffer = ctypes.create_string_buffer(size + 2)
    read(ctypes.cast(buffer, ctypes.POINTER(pdfium_c.FPDF_WCHAR)), size)
    return buffer.raw[:size].decode("utf-16-le", "replace").rstrip("\0")


def _with_value(page: Page, annotation: _Annotation) -> Page:
    """Joins a value to its label, so that they are one statement; a value without label is a line."""
    value = annotation.value
    if not value.strip():
        return page
    pieces = list(annotation.pieces(value))
    first = pieces[0]
    at = next((at for at, line in enumerate(page.lines) if _on_line(line, first)), None)
    if at is not None and (labelled := _labelled(page.lines[at], first, annotation.field in _TICKS)):
        page = Page((*page.lines[:at], labelled, *page.lines[at + 1 :]), page.height)
        pieces = pieces[1:]
    for piece in pieces:
        page = place(page, Line((_as_high_as_text(piece, page),)))
    return page


def _on_line(line: Line, field: Piece) -> bool:
    return field.top - line.height / 4 <= line.center <= field.bottom + line.height / 4


def _labelled(line: Line, field: Piece, is_tick: bool) -> Line | None:
    left = [at for at, cell in enumerate(line.cells) if cell.right <= field.left + cell.height]
    right = [at for at, cell in enumerate(line.cells) if cell.left >= field.right - cell.height]
    near_right = right and line.cells[right[0]].left - field.right < 2 * line.height
    if right and ((is_tick and near_right) or not left):
        at = right[0]
        cell = line.cells[at]
        joined = replace(cell, text=f"{field.text} {cell.text}", left=field.left)
    elif left:
        at = left[-1]
        cell = line.cells[at]
        joined = replace(cell, text=f"{cell.text} {field.text}", right=field.right)
    else:
        return None
    return Line((*line.cells[:at], joined, *line.cells[at + 1 :]))


def _as_high_as_text(piece: Piece, page: Page) -> Piece:
    """A field is higher than its text, which would make it a heading."""
    height = min([piece.height, *(line.height for line in page.lines)])
    return replace(piece, top=piece.center - height / 2, bottom=piece.center + height / 2)
