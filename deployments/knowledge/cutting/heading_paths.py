"""The path of headings above each place of a text."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

from deployments.knowledge.cutting.outline import Heading

Path = tuple[str, ...]
"""Headings, the outermost first."""


class HeadingPaths:
    """Moves headings from a text into paths.

    A heading whose path `fits` refuses is in no path and stays in the text; its path is then that of the
    heading above it.
    """

    def __init__(self, text: str, headings: Sequence[Heading], fits: Callable[[Path], bool]) -> None:
        self._text = text
        self._headings = headings
        self._starts = [heading.start for heading in headings]
        self._paths: list[Path] = []
        self._in_path: list[bool] = []
        stack: list[tuple[int, str]] = []
        for heading in headings:
            while stack and stack[-1][0] >= heading.level:
                stack.pop()
            fitting = bool(heading.text) and fits((*(name for _, name in stack), heading.text))
            if fitting:
                stack.append((heading.level, heading.text))
            self._in_path.append(fitting)
            self._paths.append(tuple(name for _, name in stack))

    def above(self, start: int) -> Path:
        """The path of the headings above a piece at `start`, without the one that it starts with."""
        index = self._heading_at(start)
        if index is not None:
            return self._paths[index][:-1] if self._in_path[index] else self._paths[index]
        above = bisect_right(self._starts, start) - 1
        return self._paths[above] if above >= 0 else ()

    def body(self, start: int, end: int, following: Path) -> tuple[Path, int]:
        """Returns the path that applies to the whole of text[start:end], and where its body starts.

        A leading heading moves to the path if no heading of its level or above follows in the piece. A
        piece that has only headings becomes empty if the path of the `following` piece starts with them;
        otherwise its last heading stays in the text.
        """
        path, offset = self.above(start), start
        last = None
        while (index := self._heading_at(offset)) is not None and self._covers(index, end):
            last, path = index, self._paths[index]
            offset = self._skip_whitespace(self._headings[index].end, end)
        if self._text[offset:end].strip() or last is None or following[: len(path)] == path:
            return path, offset
        return path[:-1], self._headings[last].start

    def _heading_at(self, start: int) -> int | None:
        """The index of the heading at `start`, after trimmed indentation; None if there is none."""
        index = bisect_right(self._starts, start) - 1
        if index < 0 or start >= self._headings[index].end:
            return None
        return None if self._text[self._starts[index] : start].strip() else index

    def _covers(self, index: int, end: int) -> bool:
        """Whether a heading applies to all the rest of its piece, which ends at `end`."""
        heading = self._headings[index]
        later = self._headings[index + 1 : bisect_left(self._starts, end)]
        whole = not self._text[end : heading.end].strip()
        return self._in_path[index] and whole and all(h.level > heading.level for h in later)

    def _skip_whitespace(self, offset: int, end: int) -> int:
        rest = self._text[offset:end]
        return offset + len(rest) - len(rest.lstrip()) if offset < end else end
