"""Reads the lines of a PDF page with their places."""

from __future__ import annotations

import ctypes
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from enum import IntEnum

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from deployments.knowledge.readers.page_lines import CELL_GAP, Line, Page, Piece, lines_of

_BROKEN_LINE = "\ufffe"
"""PDFium's sign for a hyphen at a line's end."""
_WORD = re.compile(r"\S+")
_BOLD_NAME = re.compile(rb"bold|black|heavy", re.IGNORECASE)
_BOLD_WEIGHT = 600
_BOLD_FLAG = 1 << 18
_FONT_NAME_BYTES = 128
_MAX_ASKEW = 0.1
"""In quarter turns."""

_Box = tuple[float, float, float, float]
"""Left, top, right, bottom, from the top left corner of a page whose text is upright."""


class _Direction(IntEnum):
    """Which way text runs on the page as it is stored, in clockwise quarter turns."""

    RIGHT = 0
    DOWN = 1
    LEFT = 2
    UP = 3


class PdfPage:
    """The text of one page, as PDFium orders it: as it was drawn, which is column by column."""

    def __init__(self, page: pdfium.PdfPage) -> None:
        self._text = page.get_textpage()
        self._left, self._bottom, right, top = map(float, page.get_cropbox())
        self._width, self._height = max(right - self._left, 1.0), max(top - self._bottom, 1.0)
        self._area = pdfium_c.FS_RECTF()

    @property
    def chars(self) -> int:
        """How many characters it has."""
        return int(self._text.count_chars())

    def read(self) -> Page:
        """The lines in reading order. Text outside of the page's visible part is left out."""
        pieces: dict[_Direction, list[Piece]] = defaultdict(list)
        for start, end, divided, text in _physical_lines(self._characters()):
            words = [(start + word.start(), start + word.end() - 1) for word in _WORD.finditer(text)]
            if words and (direction := self._direction(words[0][0])) is not None:
                bold = self._is_bold(words[0][0]) and self._is_bold(words[-1][1])
                found = self._pieces(words, text, start, direction, bold)
                pieces[direction].extend(_with_hyphen(found) if divided and end else found)
        by_share = sorted(pieces, key=lambda way: -sum(len(piece.text) for piece in pieces[way]))
        lines = tuple(line for way in by_share for line in lines_of(pieces[way]))
        upright = not by_share or by_share[0] in {_Direction.RIGHT, _Direction.LEFT}
        return Page(lines, self._height if upright else self._width)

    def _characters(self) -> str:
        """The text; each character at its index in PDFium's list of them."""
        text = str(self._text.get_text_range())
        if len(text) == self.chars:
            return text
        codes = (pdfium_c.FPDFText_GetUnicode(self._text, at) for at in range(self.chars))
        # Characters outside of the basic plane, and lone halves of them.
        return "".join(chr(code) if code and not 0xD800 <= code < 0xE000 else " " for code in codes)

    def _direction(self, at: int) -> _Direction | None:
        """Which way the text at a character runs; None if askew, as stamps across a page do."""
        quarters = pdfium_c.FPDFText_GetCharAngle(self._text, at) / (math.pi / 2)
        nearest = round(quarters)
        return _Direction(nearest % 4) if abs(quarters - nearest) < _MAX_ASKEW else None

    def _pieces(
        self, words: list[tuple[int, int]], text: str, start: int, direction: _Direction, bold: bool
    ) -> list[Piece]:
        pieces: list[Piece] = []
        for first, last in words:
            left, top, _, bottom = self._box(first, direction)
            right = self._box(last, direction)[2]
            word = text[first - start : last - start + 1]
            if not self._visible(left, top, direction):
                continue
            before = pieces[-1] if pieces else None
            if before is not None and left - before.right <= CELL_GAP * before.height:
                pieces[-1] = Piece(
                    f"{before.text} {word}", before.left, right, before.top, before.bottom, bold
                )
            else:
                pieces.append(Piece(word, left, right, top, bottom, bold))
        return pieces

    def _visible(self, left: float, top: float, direction: _Direction) -> bool:
        upright = direction in {_Direction.RIGHT, _Direction.LEFT}
        width, height = (self._width, self._height) if upright else (self._height, self._width)
        return -1 <= left <= width and -height / 100 <= top <= height

    def _stored(self, at: int) -> _Box:
        """The box of a character in the page's own coordinates: left, bottom, right, top."""
        area = self._area
        pdfium_c.FPDFText_GetLooseCharBox(self._text, at, area)
        left, bottom = self._left, self._bottom
        return area.left - left, area.bottom - bottom, area.right - left, area.top - bottom

    def _box(self, at: int, direction: _Direction) -> _Box:
        left, bottom, right, top = self._stored(at)
        if direction is _Direction.RIGHT:
            return left, self._height - top, right, self._height - bottom
        if direction is _Direction.UP:
            return bottom, left, top, right
        if direction is _Direction.LEFT:
            return self._width - right, bottom, self._width - left, top
        return self._height - top, self._width - right, self._height - bottom, self._width - left

    def _is_bold(self, at: int) -> bool:
        name, flags = ctypes.create_string_buffer(_FONT_NAME_BYTES), ctypes.c_int()
        pdfium_c.FPDFText_GetFontInfo(self._text, at, name, _FONT_NAME_BYTES, flags)
        is_named_so = _BOLD_NAME.search(name.value) is not None or bool(flags.value & _BOLD_FLAG)
        return is_named_so or int(pdfium_c.FPDFText_GetFontWeight(self._text, at)) >= _BOLD_WEIGHT


def _physical_lines(text: str) -> Iterator[tuple[int, int, bool, str]]:
    """Start and end of each line in the text, whether a hyphen divides a word at its end, and the line."""
    for line in re.finditer(rf"[^\r\n{_BROKEN_LINE}]+({_BROKEN_LINE})?", text):
        start, end = line.span()
        divided = line[1] is not None
        yield start, end, divided, text[start : end - divided]


def _with_hyphen(pieces: list[Piece]) -> list[Piece]:
    if pieces:
        last = pieces[-1]
        pieces[-1] = Piece(f"{last.text}-", last.left, last.right, last.top, last.bottom, last.bold)
    return pieces


def unmapped(page: Page) -> float:
    """The share of characters of which the file does not say which letters they show."""
    chars = Counter[bool]()
    for line in page.lines:
        chars.update(char == "\ufffd" or "\ue000" <= char <= "\uf8ff" or char < " " for char in line.text)
    return chars[True] / max(chars.total(), 1)


def place(page: Page, line: Line) -> Page:
    """The page with one more line, before the first one that is below it."""
    at = next((at for at, other in enumerate(page.lines) if other.center > line.center), len(page.lines))
    return Page((*page.lines[:at], line, *page.lines[at:]), page.height)
