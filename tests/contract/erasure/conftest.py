"""The application's stores with all that writes to them: a database, Redis, and the caches of an agent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployments.access.audit import Audit
from deployments.access.key_store import KeyStore
from deployments.agents.specs import SUPPORT
from deployments.conversations.eraser import StoredConversationEraser
from deployments.conversations.store import ConversationStore
from deployments.core.access import Actor
from deployments.core.documents import Retrieval, SearchQuery
from deployments.core.erasure import Erasure, ErasureTarget
from deployments.core.ids import CollectionName, Fingerprint, Scope, TenantId
from deployments.core.messages import ChatScaffold, TokenizerBundle
from deployments.core.records.ideas import BusinessIdea, IdeaDraft, IdeaText
from deployments.core.records.templates import BusinessType
from deployments.core.salt import entry_seal
from deployments.database.connection import Database
from deployments.database.milestones import Milestones
from deployments.erasure.erasing import Erasing, ErasureParts
from deployments.erasure.erasure_store import ErasureStore
from deployments.knowledge.current_segments import DocumentSegments
from deployments.knowledge.document_eraser import StoredDocumentEraser
from deployments.knowledge.service import KnowledgeParts, KnowledgeService
from deployments.rag.question_log import QuestionLog
from deployments.records.business_memory import BusinessParts, StoredBusiness
from deployments.records.idea_evidence import IdeaEvidence
from deployments.records.idea_store import IdeaStore
from deployments.records.idempotency import IdempotencyStore
from deployments.records.memory import SupportMemory
from deployments.records.record_eraser import StoredRecordEraser
from deployments.records.record_ids import new_record_id
from deployments.records.template_store import TemplateStore
from deployments.records.text_vectors import TextVectors
from deployments.records.ticket_desk import StoredTickets
from deployments.records.ticket_store import TicketStore
from deployments.redis.connection import RedisLink
from deployments.retrieval.lease_granting import Leases
from deployments.retrieval.retrieval_store import RedisRetrievalStore
from deployments.token_cache.hot_paths import RedisHotPaths
from deployments.token_cache.lru import SegmentLru
from deployments.token_cache.redis_store import RedisSegmentStore
from deployments.token_cache.resolver import CachedResolver
from deployments.token_cache.service import TokenCacheService
from serve_app import leftovers
from serve_app.assembly.retrieval import KeptTexts, LeasedParts, leased_parts
from serve_app.settings import Settings
from tests.fakes import FAKE_VOCAB_SIZE, FakeEmbedder, FakeEncoder
from tests.in_process_documents import InProcessDocuments
from tests.unit.serve_app.fake_services import Api

ACME = TenantId("acme")
SECRET = b"a secret of the cluster"
SUPPORT_KB = CollectionName("support_kb")
ACTOR = Actor("local", "req-1")
OPERATOR = "operator-key-0123456789"
BUNDLE = TokenizerBundle("{}", ChatScaffold("", "", "", "", ""), Fingerprint("fake"), FAKE_VOCAB_SIZE)


@dataclass
class Agent:
    """The caches of an agent's replica."""

    leased: LeasedParts
    resolver: CachedResolver
    l1: SegmentLru
    questions: QuestionLog

    async def ask(self, tenant: TenantId, text: str) -> str:
        """What an answer needs: passages, their segments and the salt. Returns the salt."""
        scope = Scope(tenant, SUPPORT_KB)
        found: Retrieval = await self.leased.retriever.search(SearchQuery(scope, text, 5))
        await self.resolver.resolve(scope, [passage.segment for passage in found.passages])
        self.questions.add(tenant, {"question": text})
        return await self.leased.salts.of(scope)

    def kept(self) -> int:
        """How many retrievals and segments it keeps of any scope."""
        return len(self.leased.retriever._lru) + len(self.l1)


@dataclass
class Whole:
    """The stores, the API that fills them, and an agent that reads them."""

    database: Database
    settings: Settings
    api: Api
    agent: Agent
    erasing: Erasing
    erasures: ErasureStore
    business: StoredBusiness
    caches: TokenCacheService
    knowledge: KnowledgeService
    tickets: TicketStore
    documents: StoredDocumentEraser
    conversations: ConversationStore

    async def places(self, text: str) -> list[str]:
        """The places that have a text, as `warmline erase --verify` finds them."""
        found = await leftovers.search(self.settings, text)
        assert not found.unread
        return [f"{left.store} {left.place}" for left in found.leftovers]

    async def erase(self, **body: str) -> dict[str, object]:
        """Erases over HTTP, as the tenant acme."""
        answer = await self.api.http.post("/v1/erasures", json=body)
        assert answer.status_code == 200, answer.text
        erased: dict[str, object] = answer.json()
        return erased

    async def erased(self, target: ErasureTarget) -> Erasure:
        """Carries an erasure out below the API, once."""
        job = await self.erasures.add(ACTOR, ACME, target)
        await self.erasing._attempt(job)
        return await self.erasures.get(ACME, job.erasure_id)


def an_idea(name: str, user_id: str) -> IdeaDraft:
    """An idea of a user, with the name in its text."""
    text = IdeaText(name, f"{name} helps.", "all", "fees", (name,), ("sql",))
    idea = BusinessIdea(text, BusinessType("saas"), {}, 1.0, 1.0, 1.0, 1.0, "2026-01-01T00:00:00Z")
    return IdeaDraft(user_id, idea, {"revenue_score": name})


@pytest.fixture
async def whole(
    database_url: str, redis_url: str, link: RedisLink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Whole]:
    """Everything, empty."""
    monkeypatch.setattr(leftovers, "_encoder_of", lambda _settings: FakeEncoder())
    # All applications of this user share the real one, if the path of their state is long.
    monkeypatch.setattr(leftovers, "sessions_folder", lambda _settings: tmp_path / "sessions")
    settings = Settings.from_env(
        {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "WARMLINE_STATE_DIR": str(tmp_path),
            "WARMLINE_SECRET": SECRET.decode(),
        }
    )
    async with AsyncExitStack() as stack:
        database = await Database.open(database_url, lock_wait_s=0)
        stack.push_async_callback(database.close)
        # Alone on PostgreSQL too: waiting for unknown holders would take two seconds for each change.
        leases = Leases(alone=True, predecessor=False)
        encoder, embedder = FakeEncoder(), FakeEmbedder()
        segments, seal = RedisSegmentStore(link), entry_seal(SECRET)
        caches = TokenCacheService(
            BUNDLE,
            encoder,
            segments,
            lambda _collection: 600,
            retrievals=RedisRetrievalStore(link, seal),
            paths=RedisHotPaths(link),
            seal=seal,
        )
        parts = KnowledgeParts(
            database, embedder, InProcessDocuments(64), Fingerprint("words"), 0.0, caches, leases=leases
        )
        knowledge = await KnowledgeService.start(parts)
        stack.push_async_callback(knowledge.close)
        l1 = SegmentLru(2**20)
        resolver = CachedResolver(encoder, l1, segments, caches, seal=seal)
        questions = QuestionLog(tmp_path / "questions")
        kept = KeptTexts(resolver.forget, questions.erase)
        leased = leased_parts(SUPPORT, knowledge, link, SECRET, kept, seal=seal)
        stack.push_async_callback(leased.salts.keeper.close)
        tickets, templates, ideas = TicketStore(database), TemplateStore(database), IdeaStore(database)
        evidence = IdeaEvidence(templates, ideas, TextVectors(embedder))
        business = StoredBusiness(
            BusinessParts(
                templates, ideas, evidence, knowledge, Milestones(database), time.time, new_record_id
            )
        )
        documents = StoredDocumentEraser(database, leases, caches)
        erasures = ErasureStore(database, time.time, new_record_id, Audit(time.time, new_record_id).record)
        erasing = Erasing(
            ErasureParts(
                erasures,
                StoredRecordEraser(database),
                documents,
                StoredConversationEraser(database, DocumentSegments(database), {"support": SUPPORT_KB}),
                caches,
                questions.erase,
            )
        )
        conversations = ConversationStore(database, DocumentSegments(database), time.time, new_record_id)
        api = Api(
            desk=StoredTickets(
                tickets, SupportMemory(tickets, knowledge, knowledge), time.time, new_record_id
            ),
            keys=IdempotencyStore(database, time.time, new_record_id),
            key_desk=KeyStore(database, time.time, new_record_id),
            erasures=erasing,
            library=knowledge,
            business=business,
            api_keys=f"{OPERATOR}=*",
        )
        api.http.headers.update({"authorization": f"Bearer {OPERATOR}", "x-business-id": ACME})
        agent = Agent(leased, resolver, l1, questions)
        yield Whole(
            database,
            settings,
            api,
            agent,
            erasing,
            erasures,
            business,
            caches,
            knowledge,
            tickets,
            documents,
            conversations,
        )
        await asyncio.gather(*erasing._running)
