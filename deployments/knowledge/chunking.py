"""Splits documents into chunks along their Markdown structure, sized in tokens of the serving model."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise, zip_longest

from semantic_text_splitter import MarkdownSplitter

from deployments.core.segments import document_segment
from deployments.knowledge.long_words import hard_breaks
from deployments.knowledge.markdown_outline import Heading, Outline, Table, outline

TokenCounter = Callable[[str], int]
"""Counts the tokens of a text. A document process gets a pickle of it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a document."""

    ordinal: int
    """Position in the document, from 0."""
    heading: str
    """Path of the headings above the chunk, joined by " > "; "" if there are none."""
    body: str
    """Not empty, without whitespace around it."""
    start: int
    """The body is made from text[start:end] of the document, which has no whitespace around it. They
    are equal unless the body repeats a table's header."""
    end: int
    """See `start`."""


@dataclass(frozen=True, slots=True)
class Chunker:
    """Splits documents into chunks.

    Headings move from the text into the heading paths of chunks, and each part of a split table repeats
    the table's header. All other text is in exactly one chunk, in order.
    """

    count_tokens: TokenCounter
    chunk_tokens: int = 256
    """Most tokens of a chunk's segment, header included. The body gets at least a quarter of them, even
    if a long title makes the segment exceed the limit then."""

    def chunks(self, title: str, text: str) -> list[Chunk]:
        """Splits a Markdown text; a blank text has no chunks."""
        return _DocumentSplitter(self, title, text).chunks()

    def size(self, title: str, heading: str, body: str) -> int:
        """Counts the tokens of a segment, header included; 0 if the body is blank."""
        return self.count_tokens(document_segment(title, heading, body)) if body.strip() else 0


def plain_chunks(text: str) -> list[Chunk]:
    """Cuts a text at fixed lengths, without regard to its structure and in little time."""
    ranges = (stripped(text, start, start + _PLAIN_CHARS) for start in range(0, len(text), _PLAIN_CHARS))
    visible = [(start, end) for start, end in ranges if start < end]
    return [Chunk(ordinal, "", text[start:end], start, end) for ordinal, (start, end) in enumerate(visible)]


def stripped(text: str, start: int, end: int) -> tuple[int, int]:
    """The range of text[start:end] without the whitespace around it; `start` twice if it is blank."""
    piece = text[start:end]
    body = piece.strip()
    first = start + len(piece) - len(piece.lstrip()) if body else start
    return first, first + len(body)


_Path = tuple[str, ...]
_PLAIN_CHARS = 500
"""About 128 tokens of English."""


class _DocumentSplitter:
    """Splits one document."""

    def __init__(self, chunker: Chunker, title: str, text: str) -> None:
        found = outline(text)
        self._chunker = chunker
        self._title = title
        self._text = text
        self._quarter = max(chunker.chunk_tokens // 4, 1)
        self._bare_size = chunker.size(title, "", "x")
        self._headings = found.headings
        self._paths, self._in_path = self._heading_paths(found.headings)
        self._starts = [heading.start for heading in found.headings]
        self._tables = self._repeatable_tables(found)

    def chunks(self) -> list[Chunk]:
        pieces = self._split()
        bases = [self._path_above(start) for start, _ in pieces]
        chunks: list[Chunk] = []
        for (start, piece), base, following in zip_longest(pieces, bases, bases[1:]):
            path, (first, end) = self._without_headings(start, piece, base, following or ())
            if first < end:
                body = self._table_header(start) + self._text[first:end]
                chunks.append(Chunk(len(chunks), self._heading(path), body, first, end))
        return chunks

    def _split(self) -> list[tuple[int, str]]:
        """Returns the pieces of the text that are not blank, each with its start offset."""
        widest = max((" > ".join(path) for path in self._paths), key=self._header_size, default="")
        repeated = max((table.header for table in self._tables), key=len, default="")
        reserve = f"{repeated}\n" if repeated else ""

        # The callback does not learn a piece's position, so the size of the widest header is assumed for
        # all. It is subtracted again, since the splitter expects a piece of few bytes to have few
        # tokens.
        def whole(piece: str) -> int:
            return self._chunker.size(self._title, widest, reserve + piece)

        header = whole("x") - self._chunker.count_tokens("x")
        capacity = max(self._chunker.chunk_tokens - header, self._quarter)

        def size(piece: str) -> int:
            return max(whole(piece) - header, 0) if piece.strip() else 0

        splitter = MarkdownSplitter.from_callback(size, capacity)
        pieces = (
            (start + offset, piece)
            for start, end in pairwise((0, *hard_breaks(self._text), len(self._text)))
            for offset, piece in splitter.chunk_indices(self._text[start:end])
        )
        return [(start, piece) for start, piece in pieces if piece.strip()]

    def _header_size(self, path: str) -> int:
        return self._chunker.size(self._title, path, "x")

    def _heading_paths(self, headings: tuple[Heading, ...]) -> tuple[list[_Path], list[bool]]:
        """Returns for each heading its path, and whether the path ends in the heading itself.

        A heading that would make the header too long is in no path and stays in the text; its path is
        then that of the heading above it.
        """
        paths: list[_Path] = []
        in_path: list[bool] = []
        stack: list[tuple[int, str]] = []
        for heading in headings:
            while stack and stack[-1][0] >= heading.level:
                stack.pop()
            longer = (*(name for _, name in stack), heading.text)
            fits = self._header_size(" > ".join(longer)) <= self._bare_size + self._quarter
            if heading.text and fits:
                stack.append((heading.level, heading.text))
            in_path.append(bool(heading.text) and fits)
            paths.append(tuple(name for _, name in stack))
        return paths, in_path

    def _heading_at(self, start: int) -> int | None:
        """The index of the heading at `start`, after trimmed indentation; None if there is none."""
        index = bisect_right(self._starts, start) - 1
        if index < 0 or start >= self._headings[index].end:
            return None
        return None if self._text[self._starts[index] : start].strip() else index

    def _path_above(self, start: int) -> _Path:
        """The path of the headings above a piece at `start`, without the one that it starts with."""
        index = self._heading_at(start)
        if index is not None:
            return self._paths[index][:-1] if self._in_path[index] else self._paths[index]
        above = bisect_right(self._starts, start) - 1
        return self._paths[above] if above >= 0 else ()

    def _without_headings(
        self, start: int, piece: str, base: _Path, following: _Path
    ) -> tuple[_Path, tuple[int, int]]:
        """Returns the path that applies to a whole piece, and the range of the piece without the path's
        headings.

        A leading heading moves to the path if no heading of its level or above follows in the piece. A
        piece that has only headings becomes empty if the path of the `following` piece starts with them;
        otherwise its last heading stays in the text.
        """
        path, offset, end = base, start, start + len(piece)
        last = None
        while (index := self._heading_at(offset)) is not None and self._covers(index, end):
            last, path = index, self._paths[index]
            offset = self._skip_whitespace(self._headings[index].end, end)
        body = stripped(self._text, offset, end)
        if body[0] < body[1] or last is None or following[: len(path)] == path:
            return path, body
        return path[:-1], stripped(self._text, self._headings[last].start, end)

    def _covers(self, index: int, end: int) -> bool:
        """Whether a heading applies to all the rest of its piece, which ends at `end`."""
        heading = self._headings[index]
        later = self._headings[index + 1 : bisect_left(self._starts, end)]
        whole = not self._text[end : heading.end].strip()
        return self._in_path[index] and whole and all(h.level > heading.level for h in later)

    def _skip_whitespace(self, offset: int, end: int) -> int:
        rest = self._text[offset:end]
        return offset + len(rest) - len(rest.lstrip()) if offset < end else end

    def _heading(self, path: _Path) -> str:
        """Joins a path, without the document's title: every segment starts with the title anyway."""
        shown = path[1:] if path and path[0].casefold() == self._title.casefold() else path
        return " > ".join(shown)

    def _repeatable_tables(self, found: Outline) -> list[Table]:
        return [
            table
            for table in found.tables
            if self._chunker.size(self._title, "", table.header) <= self._bare_size + self._quarter
        ]

    def _table_header(self, start: int) -> str:
        """The header of a table whose rows continue at `start`, with a line end; else ""."""
        inside = (t.header for t in self._tables if t.rows_start <= start < t.end)
        return next((f"{header}\n" for header in inside), "")
