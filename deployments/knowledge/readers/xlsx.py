"""Reads Excel workbooks."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

from deployments.knowledge.document_limits import exceeds, exceeds_chars
from deployments.knowledge.readers.archives import Archive
from deployments.knowledge.readers.markdown_table import cell, table_lines
from deployments.knowledge.readers.number_formats import shown
from deployments.knowledge.readers.office import core_title, opened, parsing
from deployments.knowledge.readers.reading import Reading, UnreadableFile, shortened
from deployments.knowledge.readers.sheet_layout import SheetLayout

_MAIN = "xl/workbook.xml"
_MAX_SHEETS = 500
_MAX_CELLS = 500_000
"""Of all sheets, empty ones between others included."""

Row = list[str]


def read_xlsx(raw: bytes, max_chars: int) -> Reading:
    """Returns the sheets, each under its name as a heading, with values as Excel shows them.

    What Excel hides is left out. A merged cell's value stands in each row that it spans.
    """
    import openpyxl  # loads NumPy, which no other document needs

    archive = opened(raw, _MAIN)
    with parsing("Excel"):
        book = openpyxl.load_workbook(
            io.BytesIO(raw), read_only=True, data_only=True, keep_links=False, rich_text=False
        )
        sheets = _Sheets(archive, max_chars)
        texts = [text for sheet in _worksheets(book) if (text := sheets.text(sheet))]
    return Reading(core_title(archive), "\n\n".join(texts), tuple(sheets.warnings()))


def _worksheets(book: Any) -> Sequence[Any]:
    if len(book.worksheets) > _MAX_SHEETS:
        raise UnreadableFile(exceeds(f"has more than {_MAX_SHEETS} sheets"))
    return list(book.worksheets)


class _Sheets:
    """The sheets of a workbook, and what of them is left out."""

    def __init__(self, archive: Archive, max_chars: int) -> None:
        self._archive = archive
        self._max_chars = max_chars
        self._cells = 0
        self._chars = 0
        self._hidden: list[str] = []
        self._partly_hidden: list[str] = []
        self._uncomputed: list[str] = []

    def text(self, sheet: Any) -> str:
        """A sheet's Markdown; "" if it is hidden or empty."""
        if sheet.sheet_state != "visible":
            self._hidden.append(sheet.title)
            return ""
        layout = SheetLayout.of(self._archive.xml(sheet._worksheet_path.lstrip("/")))
        if layout.hidden_rows or layout.hidden_columns:
            self._partly_hidden.append(sheet.title)
        if layout.uncomputed:
            self._uncomputed.append(f"{sheet.title} ({layout.uncomputed:,})")
        blocks = [block for rows in _areas(self._rows(sheet, layout)) for block in _blocks(rows)]
        return "\n\n".join([f"## {' '.join(sheet.title.split())}", *blocks]) if blocks else ""

    def warnings(self) -> Iterator[str]:
        """What is left out."""
        if self._hidden:
            yield shortened(f"hidden sheets were not read: {', '.join(self._hidden)}")
        if self._partly_hidden:
            yield shortened(f"hidden rows and columns were not read, in: {', '.join(self._partly_hidden)}")
        if self._uncomputed:
            yield shortened(
                "formulas without a stored value were not read (open the file in a spreadsheet program and "
                f"save it), in: {', '.join(self._uncomputed)}"
            )

    def _rows(self, sheet: Any, layout: SheetLayout) -> Iterator[Row]:
        sheet.reset_dimensions()  # a file may state any
        merged: dict[tuple[int, int], str] = {}
        for number, cells in enumerate(sheet.iter_rows(), 1):
            self._cells += len(cells) + 1
            if self._cells > _MAX_CELLS:
                raise UnreadableFile(exceeds(f"has more than {_MAX_CELLS:,} cells"))
            row: Row = []
            for column, found in enumerate(cells, 1):
                text = cell(shown(found.value, found.number_format)) if found.value is not None else ""
                source = layout.merged.get((number, column))
                if source == (number, column):
                    merged[source] = text
                elif source is not None and source[0] < number:
                    text = merged.get(source, "")
                if column not in layout.hidden_columns:
                    row.append(text)
            self._chars += sum(map(len, row))
            if self._chars > self._max_chars:
                raise UnreadableFile(exceeds_chars(self._max_chars))
            if number not in layout.hidden_rows:
                yield row


def _areas(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Rows between empty rows."""
    area: list[Row] = []
    for row in rows:
        if any(row):
            area.append(row)
        elif area:
            yield area
            area = []
    if area:
        yield area


def _blocks(rows: list[Row]) -> Iterator[str]:
    """A table without empty columns; lines over it that have one cell are text."""
    width = max(len(row) for row in rows)
    padded = [[*row, *[""] * (width - len(row))] for row in rows]
    used = [at for at in range(width) if any(row[at] for row in padded)]
    packed = [[row[at] for at in used] for row in padded]
    while packed and (len(used) == 1 or sum(map(bool, packed[0])) == 1):
        yield next(text for text in packed.pop(0) if text)
    if packed:
        yield "\n".join(table_lines(packed, len(used)))
