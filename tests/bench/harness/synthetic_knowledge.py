"""Large collections, written by the application's own store: only texts and vectors are synthetic.

Embedding hundreds of thousands of passages takes hours. A synthetic text names its topic, and its vector is
that topic's, so a question that names a topic finds its passage.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from sqlalchemy import text

from deployments.core.documents import DocumentDraft
from deployments.core.ids import CollectionName, DocId, Fingerprint, Scope, TenantId
from deployments.database.connection import Database
from deployments.database.vectors import Matrix, Vector, normalised
from deployments.knowledge.cutting.chunking import CHUNKING_VERSION, Chunk
from deployments.knowledge.document_rows import PreparedDocument
from deployments.knowledge.indexes import IndexKey, ensure_index
from deployments.knowledge.readers.loaders import LoadedDocument
from deployments.knowledge.store import DocumentStore
from deployments.knowledge.stored_chunks import DocumentVectors, chunk_draft

DIMENSIONS = 384
"""Those of the embedded model."""
PASSAGES = 50
"""Of one document of the large collection."""
PRODUCTS = 300
"""Each document is about one of so many products: a filter by one matches a document in 300."""
_AT_ONCE = 4
_WORDS = 12
_TOPIC = re.compile(r"topic(\d+)")
_VOCABULARY = [f"word{number}" for number in range(20_000)]


class SyntheticEmbedder:
    """Implements `Embedder`: a text's vector is that of the first topic that it names."""

    fingerprint = Fingerprint("synthetic-1")
    dimensions = DIMENSIONS

    async def embed_query(self, text: str) -> Vector:
        """Returns the vector of one question."""
        return vector_of(text)

    async def embed_queries(self, texts: Sequence[str]) -> Matrix:
        """Returns the vectors of texts, one row each."""
        return np.array([vector_of(one) for one in texts], np.float32).reshape(len(texts), DIMENSIONS)

    embed_wordings = embed_documents = embed_queries

    def close(self) -> None:
        """Does nothing."""


def vector_of(text: str) -> Vector:
    """The vector of a text: topics are random directions, with a common part as real texts have."""
    found = _TOPIC.search(text)
    topic = int(found[1]) if found else 0
    drawn = np.random.default_rng(topic).standard_normal((1, DIMENSIONS), np.float32)
    return np.asarray(normalised(drawn + 0.5)[0], np.float32)


def body_of(topic: int, version: int = 0) -> str:
    """A passage about a topic. Its words are distributed as in natural texts."""
    rng = Random(f"{topic} {version}")
    ranks = (int(len(_VOCABULARY) ** rng.random()) - 1 for _ in range(_WORDS))
    return f"topic{topic} " + " ".join(_VOCABULARY[rank] for rank in ranks)


def question_about(topic: int) -> str:
    """A question that finds the passage about a topic."""
    return f"Please tell me what is known about topic{topic} in general?"


def metadata_of(document: int) -> dict[str, str]:
    """Labels of a document: in all, in half, in one of `PRODUCTS`, and its own."""
    return {
        "kind": "article",
        "language": ("en", "de")[document % 2],
        "product": f"product-{document % PRODUCTS}",
        "number": str(document),
    }


def draft_of(document: int, version: int) -> DocumentDraft:
    """A file of one passage, to be put as callers do."""
    body = f"# Note {document}\n\n{body_of(document, version)}"
    return DocumentDraft(
        DocId(f"note-{document}"), "", None, "text/markdown", body.encode(), metadata=metadata_of(document)
    )


@dataclass(frozen=True)
class Filling:
    """Fills the collection of a tenant."""

    database: Database
    tokenizer: Fingerprint
    chunk_tokens: int
    collection: CollectionName

    async def fill(
        self, tenant: TenantId, documents: int, passages: int, seconds: float = float("inf")
    ) -> bool:
        """Stores documents of so many passages each; returns False if the time is over before.

        What an earlier call has stored counts.
        """
        scope, deadline_s = Scope(tenant, self.collection), time.monotonic() + seconds
        store = DocumentStore(self.database, SyntheticEmbedder.fingerprint)
        of = "SELECT count(*) FROM documents WHERE tenant = :tenant AND doc_id LIKE 'article-%'"
        async with self.database.transaction() as connection:
            await ensure_index(connection, self._index())
            first = int(await connection.scalar(text(of), {"tenant": tenant}) or 0)
        numbers = iter(range(first, documents))

        async def store_next() -> None:
            while time.monotonic() < deadline_s and (number := next(numbers, None)) is not None:
                await store.put(*_prepared(scope, number, passages))

        await asyncio.gather(*(store_next() for _ in range(_AT_ONCE)))
        return next(numbers, None) is None

    async def hurry(self) -> None:
        """Has SQLite not wait for the disk, so that filling takes minutes, not hours."""
        async with self.database._engine.connect() as connection:
            raw = (await connection.get_raw_connection()).driver_connection
            if raw is not None and self.database.dialect == "sqlite":
                await raw.execute("PRAGMA synchronous = OFF")
                await raw.execute("PRAGMA journal_mode = MEMORY")

    def _index(self) -> IndexKey:
        return IndexKey(SyntheticEmbedder.fingerprint, self.tokenizer, self.chunk_tokens, CHUNKING_VERSION)


def _prepared(scope: Scope, number: int, passages: int) -> tuple[PreparedDocument, DocumentVectors]:
    title, drafts, start = f"Article {number}", [], 0
    for ordinal in range(passages):
        body = body_of(number * passages + ordinal)
        drafts.append(chunk_draft(title, Chunk(ordinal, "", body, start, start + len(body))))
        start += len(body) + 2
    whole = "\n\n".join(draft.chunk.body for draft in drafts)
    loaded = LoadedDocument(title, None, whole, metadata=metadata_of(number))
    vectors = DocumentVectors({draft.segment_hash: vector_of(draft.chunk.body) for draft in drafts})
    return PreparedDocument(scope, DocId(f"article-{number}"), loaded, drafts, ""), vectors
