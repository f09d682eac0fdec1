"""Cuts documents into chunks, and embeds them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from deployments.core.documents import DocumentDraft
from deployments.core.errors import UnprocessableDocument
from deployments.core.ids import Fingerprint, TenantId
from deployments.database.vectors import Embedder
from deployments.knowledge.cutting.chunking import CHUNKING_VERSION, Chunk, plain_chunks
from deployments.knowledge.document_cutter import DocumentReader
from deployments.knowledge.fair_turns import FairTurns
from deployments.knowledge.indexes import IndexKey, PendingDocument
from deployments.knowledge.readers.loaders import LoadedDocument
from deployments.knowledge.stored_chunks import ChunkDraft, DocumentVectors, chunk_draft, words_of

log = logging.getLogger(__name__)

_EMBEDDED_AT_ONCE = 8
"""Documents whose batches the embedder gets in turn."""
_EMBEDDED_OF_A_TENANT = 4
"""Of these, the documents of one tenant: enough that short ones keep all threads of the embedder busy."""


class Indexer:
    """Cuts and embeds documents."""

    def __init__(self, documents: DocumentReader, tokenizer: Fingerprint, embedder: Embedder) -> None:
        self._documents = documents
        self._embedder = embedder
        self._embedding = FairTurns(_EMBEDDED_AT_ONCE, _EMBEDDED_OF_A_TENANT)
        self.key = IndexKey(embedder.fingerprint, tokenizer, documents.chunk_tokens, CHUNKING_VERSION)

    async def read(self, tenant: TenantId, draft: DocumentDraft) -> tuple[LoadedDocument, list[ChunkDraft]]:
        """Reads a document and returns it with its chunks.

        Raises UnsupportedMediaType, UnprocessableDocument, InvalidRequest.
        """
        found = await self._documents.read(tenant, draft)
        return found.loaded, await _drafts(found.loaded.title, found.chunks)

    async def split(self, document: PendingDocument) -> list[ChunkDraft]:
        """Returns the chunks of a stored document.

        One that earlier versions accepted and that exceeds today's limits is cut without regard to its
        structure, so that it does not keep an index incomplete.
        """
        try:
            chunks = await self._documents.cut(
                document.scope.tenant, document.doc_id, document.title, document.content
            )
        except UnprocessableDocument as error:
            log.warning("%s: cut at fixed lengths: %s", document.scope, error)
            chunks = plain_chunks(document.content)
        return await _drafts(document.title, chunks)

    async def vectors(
        self, tenant: TenantId, drafts: Sequence[ChunkDraft], wordings: Sequence[str]
    ) -> DocumentVectors:
        """Embeds chunks and wordings, and finds the chunks' words: what takes long about storing them."""
        words = await words_of(drafts)
        async with self._embedding.turn(tenant):
            matrix = await self._embedder.embed_documents([draft.embedded_text for draft in drafts])
            asked = await self._embedder.embed_wordings(wordings)
        return DocumentVectors(
            {draft.segment_hash: row for draft, row in zip(drafts, matrix, strict=True)},
            dict(zip(wordings, asked, strict=True)),
            words,
        )

    async def close(self) -> None:
        """Ends the reading of documents."""
        await self._documents.close()


async def _drafts(title: str, chunks: Sequence[Chunk]) -> list[ChunkDraft]:
    """Hashes the chunks in a thread, since there may be many."""
    return await asyncio.to_thread(lambda: [chunk_draft(title, chunk) for chunk in chunks])
