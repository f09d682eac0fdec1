"""Splits documents into chunks along their Markdown structure, sized in tokens of the serving model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise, zip_longest

from deployments.core.segments import document_segment
from deployments.knowledge.cutting.atoms import atoms
from deployments.knowledge.cutting.frames import Repeated, repeated_at
from deployments.knowledge.cutting.heading_paths import HeadingPaths, Path
from deployments.knowledge.cutting.outline import outline
from deployments.knowledge.cutting.passages import passage_starts

CHUNKING_VERSION = 2
"""Raise it when a change of the code cuts the same text differently: stored documents are cut again."""
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
    are equal unless the body repeats a table's header, a fence or an introduction."""
    end: int
    """See `start`."""


@dataclass(frozen=True, slots=True)
class Chunker:
    """Splits documents into chunks.

    Headings move from the text into the heading paths of chunks. Each part of something long repeats
    what it needs: a table's header, the fence of code, the sentence that introduces a list. All other
    text is in exactly one chunk, in order.
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


_PLAIN_CHARS = 500
"""About 128 tokens of English."""


class _DocumentSplitter:
    """Splits one document."""

    def __init__(self, chunker: Chunker, title: str, text: str) -> None:
        found = outline(text)
        self._chunker = chunker
        self._title = title
        self._text = text
        self._quarter = quarter = max(chunker.chunk_tokens // 4, 1)
        self._headers = _HeaderSizes(chunker, title)
        self._paths = HeadingPaths(
            text, found.headings, lambda path: self._headers.beyond_title(path) <= quarter
        )
        self._atoms = atoms(text, found.blocks, chunker.count_tokens, quarter, chunker.chunk_tokens // 32)
        starts = [atom.start for atom in self._atoms]
        self._repeated = repeated_at(found.frames, starts, chunker.count_tokens, quarter)
        self._rooms = [self._room(*place) for place in zip(starts, self._repeated, strict=True)]
        self._closings = [*(place.closing_tokens for place in self._repeated), 0]

    def chunks(self) -> list[Chunk]:
        pieces = list(self._pieces(0, len(self._atoms), 0))
        chunks: list[Chunk] = []
        for (first, end), following in zip_longest(pieces, pieces[1:]):
            path = self._paths.above(self._atoms[following[0]].start) if following else ()
            chunk = self._chunk(len(chunks), first, end, path)
            if chunk is not None:
                chunks.append(chunk)
        return chunks

    def _pieces(self, first: int, end: int, spare: int) -> Iterator[tuple[int, int]]:
        """Yields pieces of atoms[first:end] that leave `spare` tokens of their room.

        A tokenizer can make more tokens of a piece than of its atoms, so each piece is measured.
        """
        rooms = [room - spare for room in self._rooms[first:end]]
        enough = self._quarter
        starts = passage_starts(self._atoms[first:end], rooms, self._closings[first : end + 1], enough)
        for start, stop in pairwise((*starts, end - first)):
            excess = self._excess(first + start, first + stop) if stop - start > 1 else 0
            if excess > 0:
                yield from self._pieces(first + start, first + stop, spare + excess)
            else:
                yield first + start, first + stop

    def _excess(self, first: int, end: int) -> int:
        """By how many tokens a piece exceeds its room."""
        chunk = self._chunk(0, first, end, ())
        if chunk is None:
            return 0
        most = max(self._chunker.chunk_tokens, self._headers.size(()) + self._quarter)
        return self._chunker.size(self._title, chunk.heading, chunk.body) - most

    def _chunk(self, ordinal: int, first: int, end: int, following: Path) -> Chunk | None:
        """Makes the chunk of atoms[first:end]; None if they have no text besides headings."""
        start, stop = self._atoms[first].start, self._offset(end)
        path, offset = self._paths.body(start, stop, following)
        start, stop = stripped(self._text, offset, stop)
        if start == stop:
            return None
        opening = self._repeated[first].opening
        closing = self._repeated[end].closing if end < len(self._atoms) else ""
        # After an opening, the indentation of code and of what a list item contains is kept.
        text = self._text[offset:stop].strip("\n") if opening else self._text[start:stop]
        return Chunk(ordinal, self._headers.heading(path), (opening + text + closing).strip(), start, stop)

    def _offset(self, index: int) -> int:
        return self._atoms[index].start if index < len(self._atoms) else len(self._text)

    def _room(self, start: int, repeated: Repeated) -> int:
        """The tokens that a piece at `start` may have besides what it repeats at its beginning."""
        taken = self._headers.size(self._paths.above(start)) + repeated.opening_tokens
        return max(self._chunker.chunk_tokens - taken, self._quarter)


class _HeaderSizes:
    """Measures the headers of segments, each once."""

    def __init__(self, chunker: Chunker, title: str) -> None:
        self._chunker = chunker
        self._title = title
        self._body_size = chunker.count_tokens("x")
        self._sizes: dict[Path, int] = {}

    def heading(self, path: Path) -> str:
        """Joins a path, without the document's title: every segment starts with the title anyway."""
        shown = path[1:] if path and path[0].casefold() == self._title.casefold() else path
        return " > ".join(shown)

    def size(self, path: Path) -> int:
        """The tokens of a header."""
        known = self._sizes.get(path)
        if known is None:
            known = self._chunker.size(self._title, self.heading(path), "x") - self._body_size
            self._sizes[path] = known
        return known

    def beyond_title(self, path: Path) -> int:
        """The tokens that a path adds to the header of the title alone."""
        return self.size(path) - self.size(())
