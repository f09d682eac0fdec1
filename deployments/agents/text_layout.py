"""Groups lines of text by their positions into rows and paragraphs, and writes them as Markdown.

The reading order is that of one page, left to right and top to bottom: columns are read row by row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import dist
from statistics import median

from deployments.core.ticket_image import TextLine

_COLUMN_GAP = 1.5
"""Lines of a row with a larger gap (in text heights) are separate pieces."""
_PARAGRAPH_GAP = 0.75
"""Rows with more space between them (in text heights) are in different paragraphs."""
_SAME_SIZE = 1.5
"""A paragraph's rows differ in height by a smaller factor, a heading from the median by a larger one."""
_HEADING_ROWS = 3
"""With fewer rows, no row counts as larger than the rest."""


@dataclass(frozen=True, slots=True)
class Row:
    """Lines side by side, from left to right; at least one."""

    lines: tuple[TextLine, ...]

    @property
    def center_px(self) -> float:
        """Distance of the row's middle from the image's top."""
        return sum(_center_px(line) for line in self.lines) / len(self.lines)

    @property
    def height_px(self) -> float:
        """Height of the tallest line."""
        return max(_height_px(line) for line in self.lines)

    @property
    def text(self) -> str:
        """The lines' texts, separated by a bar where the gap is large, otherwise by a space."""
        text = self.lines[0].text
        for before, line in pairwise(self.lines):
            gap_px = _left_px(line) - _right_px(before)
            text += (" | " if gap_px > _COLUMN_GAP * self.height_px else " ") + line.text
        return text


Paragraph = tuple[Row, ...]


def rows_of(lines: Sequence[TextLine]) -> list[Row]:
    """All lines as rows, from top to bottom."""
    rows: list[list[TextLine]] = []
    for line in sorted(lines, key=lambda line: (_center_px(line), _left_px(line))):
        row = next((row for row in reversed(rows) if _side_by_side(row[0], line)), None)
        if row is None:
            rows.append([line])
        else:
            row.append(line)
    return [Row(tuple(sorted(row, key=_left_px))) for row in rows]


def without_repeats(rows: Sequence[Row]) -> list[Row]:
    """Drops rows whose text an earlier row has. Similar rows stay: they may differ in what matters."""
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row.text, row)
    return list(first.values())


def paragraphs_of(rows: Sequence[Row]) -> list[Paragraph]:
    """Groups rows that follow closely below each other and have about the same height."""
    paragraphs: list[list[Row]] = []
    for row in rows:
        if paragraphs and _continues(paragraphs[-1][-1], row):
            paragraphs[-1].append(row)
        else:
            paragraphs.append([row])
    return [tuple(paragraph) for paragraph in paragraphs]


def markdown_of(paragraphs: Sequence[Paragraph]) -> str:
    """Markdown that shows exactly the rows' text: all Markdown and HTML signs in it are escaped."""
    heights_px = [row.height_px for paragraph in paragraphs for row in paragraph]
    heading_px = median(heights_px) * _SAME_SIZE if len(heights_px) >= _HEADING_ROWS else float("inf")
    return "\n\n".join(_block(paragraph, heading_px) for paragraph in paragraphs)


def _block(paragraph: Paragraph, heading_px: float) -> str:
    text = "\n".join(_escaped(row.text) for row in paragraph)
    is_heading = len(paragraph) == 1 and paragraph[0].height_px > heading_px
    return f"## {text}" if is_heading else text


_INLINE_SIGN = re.compile(
    r"(?=[*`~]|\\(?:[!-/:-@\[-`{-~]|$)|<[A-Za-z/!?]|&#?\w+;)"  # emphasis, code, escapes, tags, entities
    r"|(?<![^\W_])(?=_)|(?=_(?![^\W_]))"  # the _ at a word's edge; inside a word it means nothing
    r"|(?<=\])(?=[(:])|(?<=\s)(?=#+$)"  # links and images, the end of a heading
)
_BLOCK_SIGN = re.compile(r"^(?=[#+=-]+(?:\s|$)|[-:|\s]+$|[>|])")
_LIST_NUMBER = re.compile(r"^(\d{1,9})(?=[.)](?:\s|$))")


def _escaped(text: str) -> str:
    text = _BLOCK_SIGN.sub(r"\\", _INLINE_SIGN.sub(r"\\", text))
    return _LIST_NUMBER.sub(r"\1\\", text)


def _center_px(line: TextLine) -> float:
    """Distance of a line's middle from the image's top."""
    return sum(y for _, y in line.box) / 4


def _height_px(line: TextLine) -> float:
    """Height of a line's letters, across its own direction, so that a tilted line is no taller."""
    top_left, top_right, bottom_right, bottom_left = line.box
    return (dist(top_left, bottom_left) + dist(top_right, bottom_right)) / 2


def _left_px(line: TextLine) -> float:
    return min(x for x, _ in line.box)


def _right_px(line: TextLine) -> float:
    return max(x for x, _ in line.box)


def _side_by_side(a: TextLine, b: TextLine) -> bool:
    smaller, larger = sorted((_height_px(a), _height_px(b)))
    return larger < 2 * smaller and abs(_center_px(a) - _center_px(b)) < smaller / 2


def _continues(above: Row, below: Row) -> bool:
    smaller, larger = sorted((above.height_px, below.height_px))
    gap_px = below.center_px - above.center_px - (smaller + larger) / 2
    left_px = max(_left_px(above.lines[0]), _left_px(below.lines[0]))
    right_px = min(_right_px(above.lines[-1]), _right_px(below.lines[-1]))
    return larger < _SAME_SIZE * smaller and gap_px < _PARAGRAPH_GAP * smaller and left_px < right_px
