"""Makes Markdown of a document's lines: paragraphs, headings, tables, whole words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from statistics import median

from deployments.knowledge.readers.hyphens import LIGATURES, joined, words_of
from deployments.knowledge.readers.markdown_table import table
from deployments.knowledge.readers.page_lines import Line, Page, same_columns
from deployments.knowledge.readers.running_lines import without_running_lines

_LARGER = 1.15
"""A heading is larger than the text by this factor."""
_MAX_HEADING_CHARS = 120
_MAX_LEVEL = 4
_PARAGRAPH_PITCH = 1.3
"""Lines of different paragraphs are farther apart than most lines, by this factor."""
_PROSE_CHARS = 30
"""Two cells in each line with more text than this are columns of prose, not a table."""
_TITLE_BLOCKS = 6
"""A document's title is the highest heading among so many blocks."""
_BULLET = re.compile(r"^[\u2022\u25aa\u2023\u25e6\u25cf\u25a0\u00b7\u2013]\s*(?=\S)")
_HEADING_SIGN = re.compile(r"^(?=#{1,6}(?:\s|$))")
_SENTENCE_END = re.compile(r"[.!?:;\u3002\uff01\uff1f\u2026)\]\"\u201d]$")

Bookmarks = Mapping[tuple[int, str], int]
"""Headings that a document lists: their level from 1, by page (from 0) and `heading_key`."""


class _Kind(Enum):
    HEADING = "heading"
    TABLE = "table"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class _Block:
    kind: _Kind
    lines: tuple[Line, ...]
    level: int = 0
    """Of a heading, from 1."""


@dataclass(frozen=True, slots=True)
class LaidOut:
    """A document's text."""

    title: str
    """The highest heading at its start, or else its first line; "" if it starts with a table."""
    markdown: str


def heading_key(text: str) -> str:
    """What is equal if a bookmark names a line."""
    return "".join(text.translate(LIGATURES).split()).casefold()


def laid_out(pages: Sequence[Page], bookmarks: Bookmarks | None = None) -> LaidOut:
    """Returns the Markdown of pages in reading order. Running lines stand once, at its end."""
    body = _body_height(pages)
    pages, running = without_running_lines(pages, body)
    words = words_of(line.text for page in pages for line in page.lines)
    headings = _Headings(pages, body, bookmarks or {})
    blocks: list[_Block] = []
    for number, page in enumerate(pages):
        for block in _blocks(page, number, headings):
            if blocks and _goes_on(blocks[-1], block):
                blocks[-1] = _Block(_Kind.TEXT, blocks[-1].lines + block.lines)
            else:
                blocks.append(block)
    texts = [_markdown(block, words) for block in blocks]
    return LaidOut(_title(blocks, words), "\n\n".join(texts + running))


def _body_height(pages: Sequence[Page]) -> float:
    """The height that most of the text has."""
    heights: Counter[float] = Counter()
    for page in pages:
        for line in page.lines:
            heights[_rounded(line.height)] += len(line.text)
    return heights.most_common(1)[0][0] if heights else 0.0


def _rounded(height: float) -> float:
    return round(height * 2) / 2


class _Headings:
    """Tells which lines are headings, and their levels."""

    def __init__(self, pages: Sequence[Page], body: float, bookmarks: Bookmarks) -> None:
        self._body = body
        self._bookmarks = bookmarks
        lines = [line for page in pages for line in page.lines]
        # In a document that is mostly bold, bold says nothing.
        self._bold_counts = 4 * sum(line.bold for line in lines) < len(lines)
        large = {_rounded(line.height) for line in lines if self._is_large(line)}
        self._sizes = sorted(large, reverse=True)[: _MAX_LEVEL - 1]

    def level(self, line: Line, page: int) -> int:
        """The level of a heading, from 1; 0 if the line is none."""
        if len(line.cells) > 1 or len(line.text) > _MAX_HEADING_CHARS or not _has_letter(line.text):
            return 0
        if level := self._bookmarks.get((page, heading_key(line.text))):
            return min(level, _MAX_LEVEL)
        if self._is_large(line):
            size = _rounded(line.height)
            return self._sizes.index(size) + 1 if size in self._sizes else _MAX_LEVEL
        return len(self._sizes) + 1 if self._bold_counts and self._is_bold_heading(line) else 0

    def _is_large(self, line: Line) -> bool:
        return line.height > _LARGER * self._body

    def _is_bold_heading(self, line: Line) -> bool:
        return line.bold and not line.text.endswith((".", ",", ":", ";"))


def _has_letter(text: str) -> bool:
    return any(char.isalpha() for char in text)


def _blocks(page: Page, number: int, headings: _Headings) -> Iterator[_Block]:
    usual = _usual_pitch(page.lines)
    start = 0
    while start < len(page.lines):
        if rows := _table_rows(page.lines, start):
            yield from _tabular(page.lines[start : start + rows])
            start += rows
            continue
        level = headings.level(page.lines[start], number)
        end = start + 1
        while end < len(page.lines) and not _table_rows(page.lines, end):
            above, below = page.lines[end - 1], page.lines[end]
            if headings.level(below, number) != level or _apart(above, below, usual, bool(level)):
                break
            end += 1
        lines = page.lines[start:end]
        yield _Block(_Kind.HEADING, lines, level) if level else _Block(_Kind.TEXT, lines)
        start = end


def _usual_pitch(lines: Sequence[Line]) -> float:
    pitches = [below.center - above.center for above, below in pairwise(lines) if below.center > above.center]
    return median(pitches) if pitches else 0.0


def _apart(above: Line, below: Line, usual_pitch: float, is_heading: bool) -> bool:
    """Whether a new block starts between two lines."""
    pitch = below.center - above.center
    if is_heading:  # one of two lines
        return not 0 < pitch < 1.5 * above.height or abs(above.height - below.height) > 0.1 * above.height
    return pitch <= 0 or pitch > max(_PARAGRAPH_PITCH * usual_pitch, above.height)


def _table_rows(lines: Sequence[Line], start: int) -> int:
    """How many lines from `start` on are rows of one table; 0 if fewer than two."""
    cells = len(lines[start].cells)
    end = start + 1
    while (
        cells > 1
        and end < len(lines)
        and len(lines[end].cells) == cells
        and lines[end].center > lines[end - 1].center
        and same_columns((lines[start], lines[end - 1], lines[end]))
    ):
        end += 1
    return end - start if end - start > 1 else 0


def _tabular(rows: tuple[Line, ...]) -> Iterator[_Block]:
    """A table; or columns of prose, which some programs write line by line across the page."""
    columns = list(zip(*(row.cells for row in rows), strict=True))
    if all(median(len(cell.text) for cell in column) > _PROSE_CHARS for column in columns):
        for column in columns:
            yield _Block(_Kind.TEXT, tuple(Line((cell,)) for cell in column))
    else:
        yield _Block(_Kind.TABLE, rows)


def _goes_on(before: _Block, block: _Block) -> bool:
    """Whether a sentence goes on after a page or column ends."""
    if before.kind is not _Kind.TEXT or block.kind is not _Kind.TEXT:
        return False
    above, below = before.lines[-1], block.lines[0]
    if 0 < below.center - above.center < 3 * above.height:
        return False  # on the same page, where the space between them says that it ends
    return not _SENTENCE_END.search(above.text) and below.text[:1].islower()


def _markdown(block: _Block, words: frozenset[str]) -> str:
    if block.kind is _Kind.HEADING:
        return f"{'#' * block.level} {_one_line(block.lines, words)}"
    if block.kind is _Kind.TABLE:
        return table([[cell.text.translate(LIGATURES) for cell in row.cells] for row in block.lines])
    texts = joined([line.text for line in block.lines], words).split("\n")
    return "\n".join(_HEADING_SIGN.sub(r"\\", _BULLET.sub("- ", text)) for text in texts)


def _one_line(lines: Sequence[Line], words: frozenset[str]) -> str:
    return " ".join(joined([line.text for line in lines], words).split())


def _title(blocks: Sequence[_Block], words: frozenset[str]) -> str:
    headings = [block for block in blocks[:_TITLE_BLOCKS] if block.kind is _Kind.HEADING]
    if headings:
        return _one_line(min(headings, key=lambda block: block.level).lines, words)
    first = blocks[0] if blocks and blocks[0].kind is _Kind.TEXT else None
    return _one_line(first.lines[:1], words) if first is not None else ""
