"""The real knowledge base over documents in memory, whose transactions are late or fail."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

from deployments.core.documents import Document, DocumentDraft, Ingested, Retrieval, SearchQuery
from deployments.core.errors import KnowledgeUnavailable, NotFound
from deployments.core.ids import DocId, Fingerprint, Scope, TenantId
from deployments.core.ports import SegmentWriter
from deployments.core.salt import salt_scope
from deployments.knowledge.cutting.chunking import Chunk
from deployments.knowledge.document_rows import PreparedDocument
from deployments.knowledge.readers.loaders import LoadedDocument
from deployments.knowledge.service import KnowledgeParts, KnowledgeService
from deployments.knowledge.store import StoreResult
from deployments.knowledge.stored_chunks import ChunkDraft, DocumentVectors, chunk_draft
from deployments.retrieval.lease_granting import LeasedSearch, Leases
from tests.fakes import FakeEmbedder
from tests.simulation.contents import Contents, Edition, about
from tests.simulation.processes import Dice

_EDITION = re.compile(r"edition (\d+)\.")


def edition_in(text: str) -> int:
    """The number of the edition that a document's text has."""
    found = _EDITION.search(text)
    assert found is not None, text
    return int(found[1])


class MemoryStore:
    """Documents of `contents`, as one process reads and writes them. Stands for `DocumentStore` and
    `HybridSearch`.
    """

    def __init__(self, contents: Contents, dice: Dice) -> None:
        self._contents = contents
        self._dice = dice

    async def search(self, query: SearchQuery) -> Retrieval:
        await self._transaction_begins()
        found = self._contents.of(query.scope)
        editions = about(found.editions, query.text)[: query.top_k]
        passages = tuple(one.passage(found.versions[one.doc_id]) for one in editions)
        retrieval = Retrieval(passages, found.generation, self._state(query.scope), query.text)
        await self._dice.pause()
        return retrieval

    async def states(self, scopes: Iterable[Scope]) -> Mapping[Scope, tuple[int, str]]:
        await self._transaction_begins()
        states = {scope: (self._contents.of(scope).generation, self._state(scope)) for scope in scopes}
        await self._dice.pause()
        return states

    async def find_equal(self, scope: Scope, doc_id: DocId, digest: str) -> StoreResult | None:
        await self._transaction_begins()
        return None

    async def put(
        self, document: PreparedDocument, vectors: DocumentVectors, read: Document | None = None
    ) -> StoreResult:
        await self._transaction_begins()
        scope, doc_id = document.scope, document.doc_id
        present = self._contents.of(scope).editions.get(doc_id)
        edition = Edition(scope, doc_id, edition_in(document.loaded.text))
        if present == edition:
            generation = self._contents.of(scope).generation
            await self._transaction_ends()
            return StoreResult(Ingested(doc_id, 0, 1, 1, 0, generation, changed=False), (), ())
        generation = self._contents.commit(scope, doc_id, edition)
        await self._transaction_ends()
        obsolete = () if present is None else (present.passage().segment,)
        written = [draft.segment for draft in document.chunks]
        return StoreResult(Ingested(doc_id, 0, 1, 0, len(obsolete), generation), written, obsolete)

    async def delete(self, scope: Scope, doc_id: DocId) -> StoreResult:
        await self._transaction_begins()
        present = self._contents.of(scope).editions.get(doc_id)
        if present is None:
            raise NotFound(f"no document {doc_id}")
        generation = self._contents.commit(scope, doc_id)
        await self._transaction_ends()
        return StoreResult(Ingested(doc_id, 0, 0, 0, 1, generation), (), (present.passage().segment,))

    async def new_epoch(self, tenant: TenantId) -> int:
        """Starts a new epoch of the tenant's salt; returns the generation of its state."""
        await self._transaction_begins()
        generation = self._contents.commit(salt_scope(tenant))
        await self._transaction_ends()
        return generation

    def _state(self, scope: Scope) -> str:
        return f"{scope} {self._contents.of(scope).stamp}"

    async def _transaction_begins(self) -> None:
        await self._dice.pause()
        if self._dice.fails(0.01):
            raise KnowledgeUnavailable("the database can't be used")

    async def _transaction_ends(self) -> None:
        """Of a transaction that is committed."""
        await self._dice.pause()
        if self._dice.fails(0.01):
            raise KnowledgeUnavailable("the connection is lost; the transaction may be committed")


class MemoryIndexer:
    """Each document is one chunk without vectors. Stands for `Indexer`."""

    def __init__(self, dice: Dice) -> None:
        self._dice = dice

    async def read(
        self, tenant: TenantId, draft: DocumentDraft
    ) -> tuple[LoadedDocument, Sequence[ChunkDraft]]:
        await self._dice.pause(0.05)
        text = draft.raw.decode()
        return LoadedDocument(draft.title, None, text), [
            chunk_draft(draft.title, Chunk(0, "", text, 0, len(text)))
        ]


class SimulatedKnowledge(KnowledgeService):
    """The service with its store, search and indexer replaced."""

    def __init__(self, contents: Contents, dice: Dice, writer: SegmentWriter, leases: Leases) -> None:
        nothing = cast(Any, SimpleNamespace(dialect="sqlite", chunk_tokens=0))
        tokenizer = Fingerprint("simulated")
        super().__init__(
            KnowledgeParts(nothing, FakeEmbedder(), nothing, tokenizer, writer=writer, leases=leases)
        )
        self._memory = MemoryStore(contents, dice)
        self._store = cast(Any, self._memory)
        self._search = cast(Any, self._memory)
        self._indexer = cast(Any, MemoryIndexer(dice))
        self._leased = LeasedSearch(self._memory, self._leases)

    async def renew_salt(self, tenant: TenantId) -> int:
        """As `DocumentEraser.renew_salt`; returns the generation."""
        generation = await self._memory.new_epoch(tenant)
        async with self._leases.settling(salt_scope(tenant), generation):
            pass
        return generation

    def leftovers(self) -> str:
        """What is left of work that has ended; "" if nothing is."""
        table = self._leases.table
        left = {
            "readings": len(table._readings),
            "announced changes": len(table._announced),
            "unfinished changes": len(self._finishing),
        }
        return ", ".join(f"{count} {name}" for name, count in left.items() if count)
