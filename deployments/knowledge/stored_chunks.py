"""The stored chunks of one document in one index. Unchanged chunks keep their row and vector."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Integer, Update, column, delete, insert, select, update, values
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.batches import batches
from deployments.core.ids import Scope
from deployments.core.segments import document_segment
from deployments.database.vectors import Vector, to_blob
from deployments.knowledge.cutting.chunking import Chunk
from deployments.knowledge.embedding import embedded_text
from deployments.knowledge.fulltext import ChunkWords, FullText, TextScope
from deployments.knowledge.tables import chunks


@dataclass(frozen=True, slots=True)
class ChunkDraft:
    """A chunk to store."""

    chunk: Chunk
    title: str
    """The document's title."""
    segment: str
    """The segment's text: title, heading and body."""
    segment_hash: str
    """sha256 of `segment`, hex."""

    @property
    def place(self) -> Place:
        """Where the chunk is in its document."""
        return self.chunk.ordinal, self.chunk.start, self.chunk.end

    @property
    def embedded_text(self) -> str:
        """The text that is embedded."""
        return embedded_text(self.title, self.chunk.heading, self.chunk.body)


def chunk_draft(title: str, chunk: Chunk) -> ChunkDraft:
    """Prepares a chunk of a document with this title."""
    segment = document_segment(title, chunk.heading, chunk.body)
    return ChunkDraft(chunk, title, segment, hashlib.sha256(segment.encode()).hexdigest())


def scope_key(scope: Scope) -> int:
    """A collection as a number, so that an index by it is small."""
    return int.from_bytes(hashlib.blake2b(str(scope).encode(), digest_size=8).digest(), signed=True)


@dataclass(frozen=True, slots=True)
class DocumentVectors:
    """Vectors that one document needs, and the words of what they are made from."""

    chunks: Mapping[str, Vector] = field(default_factory=dict)
    """Vectors of chunks, by segment hash."""
    wordings: Mapping[str, Vector] = field(default_factory=dict)
    """Vectors of wordings, by wording."""
    words: Mapping[str, ChunkWords] = field(default_factory=dict)
    """Words of the same chunks, by segment hash."""

    def __or__(self, more: DocumentVectors) -> DocumentVectors:
        return DocumentVectors(
            {**self.chunks, **more.chunks},
            {**self.wordings, **more.wordings},
            {**self.words, **more.words},
        )


Place = tuple[int, int | None, int | None]
"""Ordinal, start and end of a chunk; a row of an earlier version has neither start nor end."""


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """The columns of a chunk's row that `plan_change` needs."""

    id: int
    place: Place
    segment_hash: str
    has_vector: bool


@dataclass(frozen=True, slots=True)
class ChunkChange:
    """The changes that turn the present rows into the wanted ones."""

    kept: int
    """How many rows stay, moved ones included."""
    moved: Mapping[int, Place]
    """New places by row id."""
    added: Sequence[ChunkDraft]
    removed: Sequence[int]
    """Row ids."""


def plan_change(
    present: Sequence[StoredChunk], wanted: Sequence[ChunkDraft], with_vectors: bool
) -> ChunkChange:
    """Plans a change that keeps one row for each wanted segment that is already stored.

    `with_vectors`: only rows with a vector are kept; the others are removed and added again.
    """
    usable: dict[str, list[StoredChunk]] = defaultdict(list)
    for row in reversed(present):
        if row.has_vector or not with_vectors:
            usable[row.segment_hash].append(row)
    kept: dict[int, StoredChunk] = {}
    moved: dict[int, Place] = {}
    added: list[ChunkDraft] = []
    for draft in wanted:
        if not usable[draft.segment_hash]:
            added.append(draft)
            continue
        row = usable[draft.segment_hash].pop()
        kept[row.id] = row
        if row.place != draft.place:
            moved[row.id] = draft.place
    return ChunkChange(len(kept), moved, added, [row.id for row in present if row.id not in kept])


_PLACE = (chunks.c.ordinal, chunks.c.start_char, chunks.c.end_char)


def _columns(place: Place) -> dict[str, int | None]:
    return dict(zip((column.name for column in _PLACE), place, strict=True))


async def read_chunks(connection: AsyncConnection, index_id: int, document_id: int) -> list[StoredChunk]:
    """Reads a document's rows in an index, ordered by ordinal."""
    has_vector = chunks.c.embedding.is_not(None).label("has_vector")
    rows = await connection.execute(
        select(chunks.c.id, *_PLACE, chunks.c.segment_hash, has_vector)
        .where(chunks.c.index_id == index_id, chunks.c.document_id == document_id)
        .order_by(chunks.c.ordinal)
    )
    return [
        StoredChunk(
            row.id,
            (row.ordinal, row.start_char, row.end_char),
            row.segment_hash,
            bool(row.has_vector),
        )
        for row in rows
    ]


_MOVED_AT_ONCE = 2_000
"""Rows that one statement moves. Each takes four parameters, of which SQLite allows 32,766."""


def _moving(places: Sequence[tuple[int, Place]]) -> Update:
    """Gives rows new places. Changing them one by one would keep the database's only writer for seconds."""
    moved = (
        values(column("id", Integer), *(column(place.name, Integer) for place in _PLACE), name="moved")
        .data([(row_id, *place) for row_id, place in places])
        .cte("moved")
    )
    changed = {place.name: moved.c[place.name] for place in _PLACE}
    return update(chunks).where(chunks.c.id == moved.c.id).values(changed)


@dataclass(frozen=True, slots=True)
class ChunkWriter:
    """Writes changes to the chunks and to the full-text index."""

    full_text: FullText

    async def apply(
        self,
        connection: AsyncConnection,
        within: TextScope,
        document_id: int,
        change: ChunkChange,
        made: DocumentVectors,
        *,
        with_vectors: bool,
    ) -> None:
        """Applies a change to a document's chunks; `within` is the index and the document's collection.

        `made` has the vector of each added chunk. Without `with_vectors`, they are stored without.
        """
        if change.removed:
            await connection.execute(delete(chunks).where(chunks.c.id.in_(change.removed)))
        if change.moved:
            for some in batches(tuple(change.moved.items()), _MOVED_AT_ONCE):
                await connection.execute(_moving(some))
        if not change.added:
            return
        rows = [
            {
                "index_id": within.index_id,
                "document_id": document_id,
                "scope_key": scope_key(within.scope),
                **_columns(draft.place),
                "heading": draft.chunk.heading,
                "body": draft.chunk.body,
                "segment_hash": draft.segment_hash,
                "embedding": to_blob(made.chunks[draft.segment_hash]) if with_vectors else None,
            }
            for draft in change.added
        ]
        # Ids are read afterwards: with RETURNING, SQLite would get a statement for each row.
        await connection.execute(insert(chunks), rows)
        stored = await read_chunks(connection, within.index_id, document_id)
        ids = {row.place[0]: row.id for row in stored}
        words = await words_of(change.added, made.words)
        by_id = {ids[draft.place[0]]: words[draft.segment_hash] for draft in change.added}
        await self.full_text.add(connection, within, by_id)


async def words_of(
    drafts: Sequence[ChunkDraft], known: Mapping[str, ChunkWords] | None = None
) -> dict[str, ChunkWords]:
    """Returns the words of chunks by segment hash; finds those that are not known, in a thread."""
    words = dict(known or {})
    missing = [draft for draft in drafts if draft.segment_hash not in words]

    def find() -> None:
        for draft in missing:
            own = ChunkWords.of(draft.title, draft.chunk.heading, draft.chunk.body)
            words[draft.segment_hash] = own

    if missing:
        await asyncio.to_thread(find)
    return words
