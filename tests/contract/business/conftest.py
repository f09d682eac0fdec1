"""Business memory and a knowledge base in one database, on SQLite, then on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from deployments.core.documents import DocumentDraft, Ingested, SearchQuery
from deployments.core.ids import CollectionName, DocId, Fingerprint, Scope, TenantId
from deployments.database.connection import Database
from deployments.database.milestones import Milestones
from deployments.knowledge.service import KnowledgeParts, KnowledgeService
from deployments.records.business_memory import BusinessParts, StoredBusiness
from deployments.records.idea_evidence import IdeaEvidence
from deployments.records.idea_store import IdeaStore
from deployments.records.record_ids import new_record_id
from deployments.records.template_store import TemplateStore
from deployments.records.text_vectors import TextVectors
from tests.fakes import FakeClock, FakeEmbedder
from tests.in_process_documents import InProcessDocuments

COLLECTION = CollectionName("business_templates")


class Library:
    """The knowledge base's library. While `down` is set, its changes fail before they write anything."""

    def __init__(self, knowledge: KnowledgeService) -> None:
        self._knowledge = knowledge
        self.down = False
        self.get, self.list = knowledge.get, knowledge.list

    async def put(self, scope: Scope, draft: DocumentDraft, skip_equal: bool = False) -> Ingested:
        self._check()
        return await self._knowledge.put(scope, draft)

    async def delete(self, scope: Scope, doc_id: DocId) -> Ingested:
        self._check()
        return await self._knowledge.delete(scope, doc_id)

    def _check(self) -> None:
        if self.down:
            raise OSError("the library is down")


@dataclass
class Business:
    """The business memory of one database, and its parts."""

    memory: StoredBusiness
    templates: TemplateStore
    knowledge: KnowledgeService
    library: Library
    embedder: FakeEmbedder
    database: Database
    clock: FakeClock

    async def close(self) -> None:
        """Closes it, as a process that stops does."""
        await self.knowledge.close()
        await self.database.close()

    async def found(self, text: str, tenant: str = "acme") -> list[str]:
        """Ids of the documents that a question finds."""
        query = SearchQuery(Scope(TenantId(tenant), COLLECTION), text, 10)
        passages = (await self.knowledge.search(query)).passages
        return list(dict.fromkeys(passage.doc_id for passage in passages))


Open = Callable[..., Awaitable[Business]]


@pytest.fixture
async def reopen(database_url: str) -> AsyncIterator[Open]:
    """Opens the memory of one database; on SQLite, only one at a time can be open."""
    async with AsyncExitStack() as stack:

        async def open_one(model: str = "fake") -> Business:
            database = await Database.open(database_url, lock_wait_s=0)
            embedder, clock = FakeEmbedder(model), FakeClock()
            documents = InProcessDocuments(64)
            parts = KnowledgeParts(
                database, embedder, documents, Fingerprint("words"), similarity_threshold=0.0
            )
            knowledge = await KnowledgeService.start(parts)
            templates, ideas, library = TemplateStore(database), IdeaStore(database), Library(knowledge)
            evidence = IdeaEvidence(templates, ideas, TextVectors(embedder))
            memory = StoredBusiness(
                BusinessParts(templates, ideas, evidence, library, Milestones(database), clock, new_record_id)
            )
            business = Business(memory, templates, knowledge, library, embedder, database, clock)
            stack.push_async_callback(business.close)
            return business

        yield open_one


@pytest.fixture
async def business(reopen: Open) -> Business:
    """An empty one."""
    return await reopen()


@pytest.fixture
async def replicas(business: Business, reopen: Open) -> tuple[Business, Business]:
    """Two replicas on PostgreSQL; on SQLite, which allows only one, the same one twice."""
    return business, business if business.database.dialect == "sqlite" else await reopen()
