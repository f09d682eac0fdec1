"""Lines of text with their places on a page, from whichever reader found them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

CELL_GAP = 1.2
"""A gap that is wider (in text heights) separates cells: a justified line has narrower ones."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Text without a wide gap: a word, or several."""

    text: str
    left: float
    right: float
    top: float
    """Distance from the page's top, in the unit of `left` and `right`."""
    bottom: float
    bold: bool = False

    @property
    def height(self) -> float:
        """Height of the text."""
        return self.bottom - self.top

    @property
    def center(self) -> float:
        """Distance of its middle from the page's top."""
        return (self.top + self.bottom) / 2


@dataclass(frozen=True, slots=True)
class Line:
    """Pieces side by side, from left to right; at least one. Wide gaps separate them."""

    cells: tuple[Piece, ...]

    @property
    def text(self) -> str:
        """The text of all cells."""
        return " ".join(cell.text for cell in self.cells)

    @property
    def center(self) -> float:
        """Distance of its middle from the page's top."""
        return sum(cell.center for cell in self.cells) / len(self.cells)

    @property
    def height(self) -> float:
        """Height of its tallest cell."""
        return max(cell.height for cell in self.cells)

    @property
    def bold(self) -> bool:
        """Whether all of it is bold."""
        return all(cell.bold for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Page:
    """A page's lines in reading order."""

    lines: tuple[Line, ...]
    height: float
    """In the unit of the lines."""

    @property
    def chars(self) -> int:
        """Characters of all lines."""
        return sum(len(line.text) for line in self.lines)

    def without(self, dropped: Iterable[int]) -> Page:
        """The page without the lines at these places."""
        gone = set(dropped)
        return replace(self, lines=tuple(line for at, line in enumerate(self.lines) if at not in gone))


def lines_of(pieces: Iterable[Piece]) -> tuple[Line, ...]:
    """Groups pieces in reading order into lines.

    A piece continues the line before if it stands on its right, at its height.
    """
    lines: list[list[Piece]] = []
    for piece in pieces:
        if not lines or not _follows(lines[-1][-1], piece):
            lines.append([piece])
        elif piece.left - lines[-1][-1].right > CELL_GAP * piece.height:
            lines[-1].append(piece)
        else:
            lines[-1][-1] = _joined(lines[-1][-1], piece)
    return tuple(Line(_without_bullet_cell(cells)) for cells in lines)


def _follows(before: Piece, piece: Piece) -> bool:
    smaller = min(before.height, piece.height)
    return abs(before.center - piece.center) < smaller / 2 and piece.left > before.right - smaller / 2


def _joined(before: Piece, piece: Piece) -> Piece:
    return Piece(
        f"{before.text} {piece.text}",
        before.left,
        piece.right,
        min(before.top, piece.top),
        max(before.bottom, piece.bottom),
        before.bold and piece.bold,
    )


def _without_bullet_cell(cells: Sequence[Piece]) -> tuple[Piece, ...]:
    """A list's mark and its item are one cell, however wide the gap."""
    if len(cells) > 1 and len(cells[0].text) <= 3 and not cells[0].text[-1:].isalnum():
        return (_joined(cells[0], cells[1]), *cells[2:])
    return tuple(cells)


def same_columns(lines: Sequence[Line]) -> bool:
    """Whether the cells of lines, which have equally many, stand below each other."""
    columns = list(zip(*(line.cells for line in lines), strict=True))
    spans = [(min(cell.left for cell in column), max(cell.right for cell in column)) for column in columns]
    return all(before[1] < after[0] for before, after in pairwise(spans))
