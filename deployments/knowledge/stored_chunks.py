"""The rows of one document's chunks in one index: what is unchanged keeps its row and its vector."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.segments import document_segment
from deployments.database.vectors import Vector, to_blob
from deployments.knowledge.chunking import Chunk
from deployments.knowledge.embedding import embedded_text
from deployments.knowledge.fulltext import FullText, IndexedText
from deployments.knowledge.tables import chunks


@dataclass(frozen=True, slots=True)
class ChunkDraft:
    """A chunk to store, by the hash of its segment's text."""

    chunk: Chunk
    title: str
    segment: str
    segment_hash: str

    @property
    def embedded_text(self) -> str:
        """What its vector is made from."""
        return embedded_text(self.title, self.chunk.heading, self.chunk.body)


def chunk_draft(title: str, chunk: Chunk) -> ChunkDraft:
    """A chunk of a document with that title."""
    segment = document_segment(title, chunk.heading, chunk.body)
    return ChunkDraft(chunk, title, segment, hashlib.sha256(segment.encode()).hexdigest())


@dataclass(frozen=True, slots=True)
class DocumentVectors:
    """Vectors of a document's chunks, by segment hash, and of its wordings."""

    chunks: Mapping[str, Vector] = field(default_factory=dict)
    wordings: Mapping[str, Vector] = field(default_factory=dict)

    def __or__(self, more: DocumentVectors) -> DocumentVectors:
        return DocumentVectors({**self.chunks, **more.chunks}, {**self.wordings, **more.wordings})


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A row of a chunk, as far as changing it needs."""

    id: int
    ordinal: int
    segment_hash: str
    has_vector: bool


@dataclass(frozen=True, slots=True)
class ChunkChange:
    """What turns the present rows into the wanted ones. `moved` are ordinals by row id."""

    kept: int
    moved: Mapping[int, int]
    added: Sequence[ChunkDraft]
    removed: Sequence[int]


def plan_change(
    present: Sequence[StoredChunk], wanted: Sequence[ChunkDraft], with_vectors: bool
) -> ChunkChange:
    """Keeps a row for each equal segment; with vectors, only rows that have one can be kept."""
    usable: dict[str, list[StoredChunk]] = defaultdict(list)
    for row in reversed(present):
        if row.has_vector or not with_vectors:
            usable[row.segment_hash].append(row)
    kept: dict[int, StoredChunk] = {}
    moved: dict[int, int] = {}
    added: list[ChunkDraft] = []
    for draft in wanted:
        if not usable[draft.segment_hash]:
            added.append(draft)
            continue
        row = usable[draft.segment_hash].pop()
        kept[row.id] = row
        if row.ordinal != draft.chunk.ordinal:
            moved[row.id] = draft.chunk.ordinal
    return ChunkChange(len(kept), moved, added, [row.id for row in present if row.id not in kept])


async def read_chunks(connection: AsyncConnection, index_id: int, document_id: int) -> list[StoredChunk]:
    """A document's rows in an index, in order."""
    has_vector = chunks.c.embedding.is_not(None).label("has_vector")
    rows = await connection.execute(
        select(chunks.c.id, chunks.c.ordinal, chunks.c.segment_hash, has_vector)
        .where(chunks.c.index_id == index_id, chunks.c.document_id == document_id)
        .order_by(chunks.c.ordinal)
    )
    return [StoredChunk(row.id, row.ordinal, row.segment_hash, bool(row.has_vector)) for row in rows]


@dataclass(frozen=True, slots=True)
class ChunkWriter:
    """Writes changes, with the rows of the full-text index."""

    full_text: FullText

    async def apply(
        self,
        connection: AsyncConnection,
        index_id: int,
        document_id: int,
        change: ChunkChange,
        vectors: Mapping[str, Vector] | None,
    ) -> None:
        """`vectors` are by segment hash, for all added chunks; None stores them without."""
        if change.removed:
            await connection.execute(delete(chunks).where(chunks.c.id.in_(change.removed)))
        for row_id, ordinal in change.moved.items():
            await connection.execute(update(chunks).where(chunks.c.id == row_id).values(ordinal=ordinal))
        if not change.added:
            return
        rows = [
            {
                "index_id": index_id,
                "document_id": document_id,
                "ordinal": draft.chunk.ordinal,
                "heading": draft.chunk.heading,
                "body": draft.chunk.body,
                "segment_hash": draft.segment_hash,
                "embedding": None if vectors is None else to_blob(vectors[draft.segment_hash]),
            }
            for draft in change.added
        ]
        inserted = await connection.execute(
            insert(chunks).returning(chunks.c.id, sort_by_parameter_order=True), rows
        )
        await self.full_text.add(
            connection,
            [
                IndexedText(row_id, draft.title, draft.chunk.heading, draft.chunk.body)
                for row_id, draft in zip(inserted.scalars(), change.added, strict=True)
            ],
        )
