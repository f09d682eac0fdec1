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


def storable(text: str) -> str:
    """A text without NULs and lone surrogates, which databases and tokenizers refuse."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def numbers(found: Iterable[int]) -> str:
    """Ascending numbers as a reader writes them: "3-7, 9"."""
    runs = groupby(enumerate(found), lambda pair: pair[1] - pair[0])
    spans = [[number for _, number in run] for _, run in runs]
    return shortened(", ".join(f"{span[0]}-{span[-1]}" if len(span) > 1 else f"{span[0]}" for span in spans))


def shortened(text: str, max_chars: int = _MAX_WARNING_CHARS) -> str:
    """A text on one line; ends in an ellipsis if it was longer than `max_chars`."""
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= max_chars else f"{one_line[: max_chars - 1].rstrip()}…"
