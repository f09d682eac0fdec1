"""What the readers of files return, and how they refuse a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

_MAX_WARNING_CHARS = 300


@dataclass(frozen=True, slots=True)
class Reading:
    """The text of a file."""

    title: str
    """As the file states it; "" if it states none."""
    text: str
    """Markdown."""
    warnings: tuple[str, ...] = ()
    """What of the file is not in the text, and why: one sentence each."""


class UnreadableFile(ValueError):
    """A file can't be read. The message is the reason, in words for the caller."""


def numbers(found: Iterable[int]) -> str:
    """Ascending numbers as a reader writes them: "3-7, 9"."""
    runs = groupby(enumerate(found), lambda pair: pair[1] - pair[0])
    spans = [[number for _, number in run] for _, run in runs]
    return shortened(", ".join(f"{span[0]}-{span[-1]}" if len(span) > 1 else f"{span[0]}" for span in spans))


def shortened(text: str) -> str:
    """A text that fits into a warning."""
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= _MAX_WARNING_CHARS else f"{one_line[: _MAX_WARNING_CHARS - 3]}..."
