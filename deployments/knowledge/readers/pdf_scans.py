"""Reads pages that are pictures of text."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from deployments.core.errors import InternalFault, Unavailable
from deployments.core.ticket_image import TextLine
from deployments.knowledge.readers.page_lines import Page, Piece, lines_of
from deployments.ocr.engine import OcrEngine

_LONGEST_PX = 1500
"""Of a rendered page: 130 dots an inch for A4."""
_MAX_PICTURE_PIXELS = 60_000_000
"""Pixels of all pictures of a page: some formats are decoded whole before they are reduced."""
_MAX_PICTURES = 500
"""On one page."""
_STAMP_CHARS = 100
"""Characters that may be on a scanned page as text."""
_CPU_S = 20.0
"""CPU time for all pages of a document. A dense page takes 5 to 10 s."""
_WALL_S = 40.0
"""The same, by the clock: other processes compute as well."""

_SAME_FONT = 1.5
"""Lines whose height differs from the usual one by a smaller factor have the usual font."""


@dataclass(frozen=True, slots=True)
class _Spent:
    """Time, in seconds."""

    cpu_s: float
    wall_s: float

    @classmethod
    def now(cls) -> _Spent:
        return cls(time.process_time(), time.monotonic())

    def __sub__(self, other: _Spent) -> _Spent:
        return _Spent(self.cpu_s - other.cpu_s, self.wall_s - other.wall_s)

    def __add__(self, other: _Spent) -> _Spent:
        return _Spent(self.cpu_s + other.cpu_s, self.wall_s + other.wall_s)

    def at_least(self, other: _Spent) -> _Spent:
        return _Spent(max(self.cpu_s, other.cpu_s), max(self.wall_s, other.wall_s))

    @property
    def too_much(self) -> bool:
        return self.cpu_s > _CPU_S or self.wall_s > _WALL_S


class ScanReader:
    """Reads the pages of one document, as many as the time allows."""

    def __init__(self) -> None:
        self._engine = OcrEngine()
        self._start = _Spent.now()
        self._longest = _Spent(0.0, 0.0)

    def read(self, page: pdfium.PdfPage) -> Page | None:
        """The lines of a page; None if there is no time for it, or its pictures are too large."""
        began = _Spent.now()
        if (began - self._start + self._longest).too_much:
            return None
        if _picture_pixels(page) > _MAX_PICTURE_PIXELS:
            return None
        scale = _LONGEST_PX / max(page.get_size())
        picture = page.render(scale=scale).to_pil().convert("RGB")
        try:
            found = self._engine.read(picture)
        except (Unavailable, InternalFault):
            return None
        self._longest = self._longest.at_least(_Spent.now() - began)
        return Page(lines_of(_pieces(found.lines, scale)), found.height_px / scale)


def is_picture(page: pdfium.PdfPage, chars: int) -> bool:
    """Whether a page with so many characters of text shows its contents in another way.

    A page without text does if it shows anything, one with little text if a picture fills it: a scanner or
    a court may have put its stamp on it.
    """
    if chars == 0:
        return next(page.get_objects(max_depth=2), None) is not None
    width, height = page.get_size()
    return chars < _STAMP_CHARS and any(
        (right - left) * (top - bottom) > width * height / 2
        for left, bottom, right, top in (picture.get_bounds() for picture in _pictures(page))
    )


def _pictures(page: pdfium.PdfPage) -> Iterator[pdfium.PdfObject]:
    return islice(page.get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_IMAGE], max_depth=5), _MAX_PICTURES)


def _picture_pixels(page: pdfium.PdfPage) -> int:
    sizes = (picture.get_px_size() for picture in _pictures(page))
    return sum(int(width) * int(height) for width, height in sizes)


def _pieces(lines: Sequence[TextLine], scale: float) -> Iterator[Piece]:
    """The lines in points. Small differences in height come from letters, not from fonts."""
    boxes = [[[at / scale for at in side] for side in zip(*line.box, strict=True)] for line in lines]
    usual = median(max(ys) - min(ys) for _, ys in boxes) if boxes else 0.0
    for line, (xs, ys) in zip(lines, boxes, strict=True):
        top, bottom = min(ys), max(ys)
        if bottom - top < _SAME_FONT * usual:
            center = (top + bottom) / 2
            top, bottom = center - usual / 2, center + usual / 2
        yield Piece(line.text, min(xs), max(xs), top, bottom)
