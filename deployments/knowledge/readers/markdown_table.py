"""Writes tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def cell(text: str) -> str:
    """A cell's text in one line, in which no bar ends the cell."""
    return " ".join(text.split()).replace("|", r"\|")


def table(rows: Sequence[Sequence[str]]) -> str:
    """A table whose first row is its header. Short rows get empty cells."""
    return "\n".join(table_lines(rows, max((len(row) for row in rows), default=0)))


def table_lines(rows: Iterable[Sequence[str]], columns: int) -> Iterator[str]:
    """The lines of a table of so many columns; the first row is its header."""
    for number, row in enumerate(rows):
        padded = [*row, *[""] * (columns - len(row))]
        yield f"| {' | '.join(map(cell, padded))} |"
        if number == 0:
            yield f"|{' --- |' * columns}"
