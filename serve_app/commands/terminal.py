"""Shows results: drawn for people, or as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_BIDI_CONTROLS = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_CONTROLS = dict.fromkeys(
    [*(code for code in range(0x20) if chr(code) not in "\n\t"), *range(0x7F, 0xA0), *_BIDI_CONTROLS],
    "\ufffd",
)


def clean(text: object) -> str:
    """The text without characters that command a terminal: answers and titles are not trusted."""
    return str(text).translate(_CONTROLS).encode(errors="replace").decode()


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 segment", "2 segments"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class Terminal:
    """Where a command shows its results."""

    def __init__(self, as_json: bool = False) -> None:
        """`as_json`: results are JSON objects on stdout, and nothing else is."""
        self.as_json = as_json

    @cached_property
    def console(self) -> Console:
        """Draws on stdout."""
        from rich.console import Console

        return Console(markup=False, highlight=False, emoji=False)

    @cached_property
    def side_console(self) -> Console:
        """Draws what is not a result, such as progress, on stderr."""
        from rich.console import Console

        return Console(stderr=True, markup=False, highlight=False, emoji=False)

    def show(self, result: object, draw: Callable[[Console], None]) -> None:
        """Shows a result: as JSON, or by `draw`."""
        if self.as_json:
            # ASCII only, so that any terminal and any encoding can have it.
            typer.echo(json.dumps(result, indent=2))
        else:
            draw(self.console)

    def say(self, result: object, text: str) -> None:
        """Shows a result: as JSON, or as a line of text."""
        self.show(result, lambda console: console.print(clean(text), soft_wrap=True))


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table of texts, of which none is cut off; None is shown as "-". Without headings, a plain grid."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False) if headings else Table.grid(padding=(0, 2))
    for heading in headings:
        # The first column has ids, which people copy.
        drawn.add_column(heading, overflow="fold", no_wrap=heading == headings[0])
    for row in rows:
        drawn.add_row(*(Text("-" if cell is None else clean(cell)) for cell in row))
    return drawn
