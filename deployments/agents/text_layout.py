"""Lines of text with their places, put into reading order, rows and paragraphs, and written as Markdown.

Read as one page from left to right and top to bottom: side-by-side columns come out row by row.
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
"""Pieces of a row that stand further apart than this (in heights of the text) are different things."""
_PARAGRAPH_GAP = 0.75
"""Rows with more space between them than this are different paragraphs."""
_SAME_SIZE = 1.5
"""Rows of one paragraph differ in height by less; a row taller than the middle one by more is a heading."""
_HEADING_ROWS = 3
"""With fewer rows nothing can be said to be larger than the rest."""


@dataclass(frozen=True, slots=True)
class Row:
    """Lines side by side, from left to right; there is at least one."""

    lines: tuple[TextLine, ...]

    @property
    def center_px(self) -> float:
        """Middle of the row, from the top."""
        return sum(_center_px(line) for line in self.lines) / len(self.lines)

    @property
    def height_px(self) -> float:
        """Of its tallest line."""
        return max(_height_px(line) for line in self.lines)

    @property
    def text(self) -> str:
        """As read: words apart by a space, pieces that stand far apart by a bar."""
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
    """Rows whose text no earlier row has. Near repeats stay: they may differ in what matters."""
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row.text, row)
    return list(first.values())


def paragraphs_of(rows: Sequence[Row]) -> list[Paragraph]:
    """Rows that stand close together, of one size and one below the other, as paragraphs."""
    paragraphs: list[list[Row]] = []
    for row in rows:
        if paragraphs and _continues(paragraphs[-1][-1], row):
            paragraphs[-1].append(row)
        else:
            paragraphs.append([row])
    return [tuple(paragraph) for paragraph in paragraphs]


def markdown_of(paragraphs: Sequence[Paragraph]) -> str:
    """Markdown whose text is the rows'. Signs in them that Markdown or HTML would act upon are escaped:
    what an image says stays text wherever it is shown.
    """
    heights_px = [row.height_px for paragraph in paragraphs for row in paragraph]
    heading_px = median(heights_px) * _SAME_SIZE if len(heights_px) >= _HEADING_ROWS else float("inf")
    return "\n\n".join(_block(paragraph, heading_px) for paragraph in paragraphs)


def _block(paragraph: Paragraph, heading_px: float) -> str:
    text = "\n".join(_escaped(row.text) for row in paragraph)
    is_heading = len(paragraph) == 1 and paragraph[0].height_px > heading_px
    return f"## {text}" if is_heading else text


_INLINE_SIGN = re.compile(
    r"(?=[*`~]|\\(?:[!-/:-@\[-`{-~]|$)|<[A-Za-z/!?]|&#?\w+;)"  # emphasis, code, escapes, tags, entities
    r"|(?<![^\W_])(?=_)|(?=_(?![^\W_]))"  # the _ at a word's edge; inside a word it is no sign
    r"|(?<=\])(?=[(:])|(?<=\s)(?=#+$)"  # links and images, the end of a heading
)
_BLOCK_SIGN = re.compile(r"^(?=[#+=-]+(?:\s|$)|[-:|\s]+$|[>|])")
_LIST_NUMBER = re.compile(r"^(\d{1,9})(?=[.)](?:\s|$))")


def _escaped(text: str) -> str:
    text = _BLOCK_SIGN.sub(r"\\", _INLINE_SIGN.sub(r"\\", text))
    return _LIST_NUMBER.sub(r"\1\\", text)


def _center_px(line: TextLine) -> float:
    """Middle of a line, from the top."""
    return sum(y for _, y in line.box) / 4


def _height_px(line: TextLine) -> float:
    """Of a line's letters, across its own direction, so that a line askew is no taller."""
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
