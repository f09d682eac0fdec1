"""Documents to chunks: along Markdown structure, sized by the serving model's own tokens."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest

from semantic_text_splitter import MarkdownSplitter

from deployments.core.segments import document_segment
from deployments.knowledge.markdown_outline import Heading, Outline, Table, outline

TokenCounter = Callable[[str], int]
"""Tokens of a text. Called from one worker thread at a time."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a document. `heading` is the path of headings above it; `body` is stripped, not empty."""

    ordinal: int
    heading: str
    body: str


@dataclass(frozen=True, slots=True)
class Chunker:
    """Cuts documents so that each chunk's whole segment, header included, has at most `chunk_tokens` tokens.

    Where a title leaves less than a quarter of that, the body gets a quarter all the same. Headings move
    from the text into the chunks' heading paths, and a table that is cut repeats its header; all other
    text stands in exactly one chunk, in order.
    """

    count_tokens: TokenCounter
    chunk_tokens: int = 256

    def chunks(self, title: str, text: str) -> list[Chunk]:
        """The chunks of a Markdown text; none when it is blank."""
        return _DocumentSplitter(self, title, text).chunks()

    def size(self, title: str, heading: str, body: str) -> int:
        """Tokens of the segment with this body; a blank one counts nothing."""
        return self.count_tokens(document_segment(title, heading, body)) if body.strip() else 0


_Path = tuple[str, ...]


class _DocumentSplitter:
    """One document being cut."""

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
            path, body = self._without_headings(start, piece, base, following or ())
            if body:
                body = self._table_header(start) + body
                chunks.append(Chunk(len(chunks), self._heading(path), body))
        return chunks

    def _split(self) -> list[tuple[int, str]]:
        """Pieces of the text, not blank, by the offset at which they start."""
        widest = max((" > ".join(path) for path in self._paths), key=self._header_size, default="")
        repeated = max((table.header for table in self._tables), key=len, default="")
        reserve = f"{repeated}\n" if repeated else ""

        # Counted as if under the widest header, since a callback isn't told where the piece stands, and
        # without that header, since the splitter takes a piece of few bytes to be of few tokens.
        def whole(piece: str) -> int:
            return self._chunker.size(self._title, widest, reserve + piece)

        header = whole("x") - self._chunker.count_tokens("x")
        capacity = max(self._chunker.chunk_tokens - header, self._quarter)

        def size(piece: str) -> int:
            return max(whole(piece) - header, 0) if piece.strip() else 0

        pieces = MarkdownSplitter.from_callback(size, capacity).chunk_indices(self._text)
        return [(start, piece) for start, piece in pieces if piece.strip()]

    def _header_size(self, path: str) -> int:
        return self._chunker.size(self._title, path, "x")

    def _heading_paths(self, headings: tuple[Heading, ...]) -> tuple[list[_Path], list[bool]]:
        """For each heading the path that ends in it, and whether it does.

        A heading that would make the header too long is in no path and stays in the text: its own
        path is then the one above it.
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
        """The heading that a piece starting at `start` starts with; its indentation may be trimmed."""
        index = bisect_right(self._starts, start) - 1
        if index < 0 or self._text[self._starts[index] : start].strip():
            return None
        return index if start < self._headings[index].end else None

    def _path_above(self, start: int) -> _Path:
        """The headings above a piece that starts at `start`, without those it starts with."""
        index = self._heading_at(start)
        if index is not None:
            return self._paths[index][:-1] if self._in_path[index] else self._paths[index]
        above = bisect_right(self._starts, start) - 1
        return self._paths[above] if above >= 0 else ()

    def _without_headings(self, start: int, piece: str, base: _Path, following: _Path) -> tuple[_Path, str]:
        """The path over all of a piece, and the piece without the leading headings it names.

        A heading moves to the path when no sibling of it follows in the piece. A piece of headings
        alone is empty when they are in the path of the `following` one, else the last one stays.
        """
        path, offset, end = base, start, start + len(piece)
        last = None
        while (index := self._heading_at(offset)) is not None and self._covers(index, end):
            last, path = index, self._paths[index]
            offset = self._skip_whitespace(self._headings[index].end, end)
        body = self._text[offset:end].strip()
        if body or last is None or following[: len(path)] == path:
            return path, body
        return path[:-1], self._text[self._headings[last].start : end].strip()

    def _covers(self, index: int, end: int) -> bool:
        """Whether a heading can name all of its piece, which ends at `end`."""
        heading = self._headings[index]
        later = self._headings[index + 1 : bisect_left(self._starts, end)]
        whole = not self._text[end : heading.end].strip()
        return self._in_path[index] and whole and all(h.level > heading.level for h in later)

    def _skip_whitespace(self, offset: int, end: int) -> int:
        rest = self._text[offset:end]
        return offset + len(rest) - len(rest.lstrip()) if offset < end else end

    def _heading(self, path: _Path) -> str:
        """A path as it is shown. The document's title is in every segment and so isn't repeated."""
        shown = path[1:] if path and path[0].casefold() == self._title.casefold() else path
        return " > ".join(shown)

    def _repeatable_tables(self, found: Outline) -> list[Table]:
        return [
            table
            for table in found.tables
            if self._chunker.size(self._title, "", table.header) <= self._bare_size + self._quarter
        ]

    def _table_header(self, start: int) -> str:
        """The header of the table whose rows go on at `start`, if any."""
        inside = (t.header for t in self._tables if t.rows_start <= start < t.end)
        return next((f"{header}\n" for header in inside), "")
