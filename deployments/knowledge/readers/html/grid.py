"""Writes a table as a grid of Markdown, each cell in all the rows and columns that it spans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bs4 import Tag

from deployments.knowledge.readers.html.tree import attribute, rows_of

_MAX_COLUMNS = 100
"""Columns that one cell may span."""
_MAX_ROWS = 1000
"""Rows that one cell may span."""
_MAX_REPEATED_CHARS = 200_000
"""Characters that spans may repeat in a page, bars between cells included; further cells are written once."""


@dataclass(slots=True)
class Spans:
    """What the spans of a page may still repeat."""

    left_chars: int = _MAX_REPEATED_CHARS

    def take(self, columns: int, rows: int, text: str) -> bool:
        """Whether a text may be in so many cells; if so, counts it."""
        chars = (columns * rows - 1) * (len(text) + 3)
        if chars > self.left_chars:
            return False
        self.left_chars -= chars
        return True


def table_text(table: Tag, cells: Mapping[int, str], spans: Spans) -> str:
    """Writes a table. `cells` has the text of each cell, by the id of its element."""
    header, body = _sections(table)
    head_rows = _grid(header, cells, spans)
    rows = [row for row in _grid(body, cells, spans) if any(row)]
    width = max(map(len, (*head_rows, *rows)), default=0)
    if not width:
        return ""
    if not head_rows and not _is_headed_by_rows(body):
        head_rows, rows = rows[:1], rows[1:]
    names = [_joined([row[column] for row in head_rows if column < len(row)]) for column in range(width)]
    lines = [names, ["---"] * width, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _sections(table: Tag) -> tuple[list[Tag], list[Tag]]:
    """The rows with column names, and the others in the order in which a browser shows them."""
    header: list[Tag] = []
    body: list[Tag] = []
    foot: list[Tag] = []
    for row in rows_of(table):
        section = row.parent.name if row.parent is not None else ""
        is_names = section == "thead" or (not body and not foot and _has_only_names(row))
        (header if is_names else foot if section == "tfoot" else body).append(row)
    return header, body + foot


def _cells(row: Tag) -> list[Tag]:
    return [cell for cell in row.contents if isinstance(cell, Tag) and cell.name in ("td", "th")]


def _has_only_names(row: Tag) -> bool:
    cells = _cells(row)
    return bool(cells) and all(cell.name == "th" for cell in cells)


def _is_headed_by_rows(rows: Sequence[Tag]) -> bool:
    """Whether the first cell of each row is its name, as in a card of properties."""
    return bool(rows) and all([cell.name for cell in _cells(row)][:1] == ["th"] for row in rows)


def _grid(rows: Sequence[Tag], cells: Mapping[int, str], spans: Spans) -> list[list[str]]:
    grid: list[list[str]] = []
    below: dict[int, list[tuple[int, int, str]]] = {}
    for index, row in enumerate(rows):
        spanned: dict[int, str] = {}
        for column, until, text in below.pop(index, []):
            spanned[column] = text
            if until > index + 1:
                below.setdefault(index + 1, []).append((column, until, text))
        line: list[str] = []
        # A heading between rows spans them all; it needs no bars.
        is_whole_row = not spanned and len(_cells(row)) == 1
        for cell in _cells(row):
            _fill(line, spanned)
            text, first = cells.get(id(cell), ""), len(line)
            columns, height = _size(cell, len(rows) - index)
            if is_whole_row or not spans.take(columns, height, text):
                columns = height = 1
            line += [text] * columns
            if height > 1:
                below.setdefault(index + 1, []).extend(
                    (column, index + height, line[column]) for column in range(first, first + columns)
                )
        _fill(line, spanned)
        grid.append(line)
    return grid


def _fill(line: list[str], spanned: dict[int, str]) -> None:
    """Adds the cells that come from above at the end of an unfinished row."""
    while len(line) in spanned:
        line.append(spanned.pop(len(line)))


def _size(cell: Tag, rows_left: int) -> tuple[int, int]:
    columns, rows = _number(cell, "colspan"), _number(cell, "rowspan")
    # A rowspan of 0 reaches to the end.
    return max(1, min(columns, _MAX_COLUMNS)), min(rows or rows_left, rows_left, _MAX_ROWS)


def _number(cell: Tag, name: str) -> int:
    value = attribute(cell, name).strip()
    return int(value) if value.isdecimal() and len(value) < 6 else 1


def _joined(names: Sequence[str]) -> str:
    """The names of a column in several rows, each once."""
    return " ".join(dict.fromkeys(name for name in names if name))
