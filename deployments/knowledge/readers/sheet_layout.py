"""Finds out which cells of a spreadsheet are hidden, merged or without a value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree import ElementTree

_MAX_RANGES = 10_000
"""Merged ranges, and groups of columns, of one sheet."""
_MAX_MERGED_CELLS = 200_000
_MAX_COLUMN = 16_384
_RANGE = re.compile(r"([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})")
_TRUE = frozenset({"1", "true"})


@dataclass(slots=True)
class SheetLayout:
    """What a reader of a sheet sees besides values. Rows and columns count from 1."""

    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    merged: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    """Row and column of a cell, and of the cell whose value it shows."""
    uncomputed: int = 0
    """Formulas without a stored value."""

    @classmethod
    def of(cls, xml: ElementTree.Element) -> SheetLayout:
        """The layout in a worksheet's XML."""
        made = cls()
        tag = xml.tag.partition("}")[0] + "}" if "}" in xml.tag else ""
        for row in xml.iter(f"{tag}row"):
            if row.get("hidden") in _TRUE and row.get("r", "").isdecimal():
                made.hidden_rows.add(int(row.get("r", "")[:9]))
            made.uncomputed += sum(_is_uncomputed(cell, tag) for cell in row.iter(f"{tag}c"))
        for _, column in zip(range(_MAX_RANGES), xml.iter(f"{tag}col"), strict=False):
            if column.get("hidden") in _TRUE:
                made.hidden_columns.update(_span(column))
        for _, merge in zip(range(_MAX_RANGES), xml.iter(f"{tag}mergeCell"), strict=False):
            made._merge(merge.get("ref", ""))
        return made

    def _merge(self, reference: str) -> None:
        if (found := _RANGE.fullmatch(reference)) is None:
            return
        left, top, right, bottom = _column(found[1]), int(found[2]), _column(found[3]), int(found[4])
        area = (bottom - top + 1) * (right - left + 1)
        if 0 < area <= _MAX_MERGED_CELLS - len(self.merged):
            cells = ((row, column) for row in range(top, bottom + 1) for column in range(left, right + 1))
            self.merged.update(dict.fromkeys(cells, (top, left)))


def _is_uncomputed(cell: ElementTree.Element, tag: str) -> bool:
    return cell.find(f"{tag}f") is not None and not cell.findtext(f"{tag}v")


def _span(column: ElementTree.Element) -> Iterator[int]:
    first, last = column.get("min", ""), column.get("max", "")
    if first.isdecimal() and last.isdecimal():
        yield from range(int(first[:9]), min(int(last[:9]), _MAX_COLUMN) + 1)


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
