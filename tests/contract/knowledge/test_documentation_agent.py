"""The documentation agent with a real knowledge base and token cache, on every database."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from deployments.agents.documentation import DocumentationService
from deployments.agents.specs import DOCUMENTATION, DOCUMENTATION_WRITER
from deployments.core.documents import DocumentDraft, TextHit
from deployments.core.ids import DocId, Fingerprint, RequestId, Scope, TenantId
from deployments.core.ledger import Answer
from deployments.core.messages import Ask, ChatScaffold, TokenizerBundle
from deployments.core.token_ids import from_bytes
from deployments.core.writing import WritingOrder
from deployments.rag.token_cached_rag import TokenCachedRAG
from deployments.token_cache.lru import SegmentLru
from deployments.token_cache.resolver import CachedResolver
from deployments.token_cache.service import TokenCacheService
from tests.contract.knowledge.conftest import Knowledge, Start
from tests.fakes import FAKE_VOCAB_SIZE, FakeEncoder
from tests.memory_stores import InMemorySegmentStore
from tests.unit.rag.rig import Rig

ACME, OTHER = TenantId("acme"), TenantId("other")
_BUNDLE = TokenizerBundle("{}", ChatScaffold("", "", "", "", ""), Fingerprint("fake"), FAKE_VOCAB_SIZE)


class Replicas:
    """Two replicas of the agent, each with its own L1, over one knowledge base and one cache."""

    def __init__(self, knowledge: Knowledge, cache: TokenCacheService, store: InMemorySegmentStore) -> None:
        self.knowledge = knowledge
        self.services = [self._replica(cache, store) for _ in range(2)]

    def _replica(self, cache: TokenCacheService, store: InMemorySegmentStore) -> DocumentationService:
        encoder = FakeEncoder()
        resolver = CachedResolver(encoder, SegmentLru(2**20), store, cache)
        parts = replace(Rig().rag._parts, resolver=resolver, retriever=self.knowledge.service)
        return DocumentationService(
            DOCUMENTATION,
            TokenCachedRAG(DOCUMENTATION, parts),
            TokenCachedRAG(DOCUMENTATION_WRITER, parts),
            self.knowledge.service,
        )

    async def put(self, doc_id: str, text: str, section: str = "guide", tenant: TenantId = ACME) -> None:
        scope = Scope(tenant, DOCUMENTATION.collection)
        draft = DocumentDraft(DocId(doc_id), "T", section, "text/markdown", text.encode())
        await self.knowledge.service.put(scope, draft)

    async def revise(self, doc_id: str, text: str, invalidate: bool = True) -> None:
        scope = Scope(ACME, DOCUMENTATION.collection)
        await self.knowledge.service.revise(scope, DocId(doc_id), text, invalidate)

    async def search(self, tenant: TenantId, words: str) -> tuple[TextHit, ...]:
        return await self.knowledge.service.search_text(Scope(tenant, DOCUMENTATION.collection), words, 5)

    async def clear(self, pattern: str) -> int:
        """Clears the shared cache, then each replica's L1, as the API does."""
        scope = Scope(ACME, DOCUMENTATION.collection)
        cleared = await self.knowledge.service.discard_segments(scope, pattern)
        for service in self.services:
            await service.clear_local(ACME)
        return cleared

    async def ask(self, query: str, replica: int = 0, tenant: TenantId = ACME, **ask: str) -> Answer:
        question = Ask(tenant, query, RequestId("req-1"), **ask)  # type: ignore[arg-type]
        return await self.services[replica].answer(question)


@pytest.fixture
async def replicas(start: Start) -> Replicas:
    store = InMemorySegmentStore()
    cache = TokenCacheService(_BUNDLE, FakeEncoder(), store, lambda _: 7200)
    return Replicas(await start(writer=cache), cache, store)


def prompt(answer: Answer) -> str:
    return FakeEncoder().decode(from_bytes(answer.prompt_ids))


@pytest.mark.parametrize("invalidate", [True, False])
async def test_a_lookup_right_after_an_update_answers_from_the_new_text(
    replicas: Replicas, invalidate: bool
) -> None:
    """On every replica, also if its L1 has the old text, and whether or not Redis still has it."""
    await replicas.put("colour", "The colour of the sky is red.")
    for replica in (0, 1):
        assert "is red" in prompt(await replicas.ask("colour of the sky", replica))
    await replicas.revise("colour", "The sky is blue.", invalidate)
    for replica in (1, 0):
        answer = await replicas.ask("colour of the sky", replica)
        assert "is blue" in prompt(answer)
        assert "is red" not in prompt(answer)
        assert [(c.doc_id, c.version) for c in answer.citations] == [("colour", 2)]
        assert answer.cache_hit  # written through at the update


async def test_lookups_during_updates_see_one_version_or_the_other(replicas: Replicas) -> None:
    """Never a mixture; after the last update, the last text."""
    texts = [f"The colour number {n} is here and here {n}." for n in range(6)]
    await replicas.put("colour", texts[0])

    async def update() -> None:
        for text in texts[1:]:
            await replicas.revise("colour", text)

    async def look() -> None:
        for n in range(6):
            seen = prompt(await replicas.ask("colour number", n % 2))
            assert sum(text in seen for text in texts) == 1

    await asyncio.gather(update(), look(), look())
    assert texts[-1] in prompt(await replicas.ask("colour number", 1))


async def test_a_lookup_in_a_section_finds_no_other_section(replicas: Replicas) -> None:
    """Even if another section has more similar passages."""
    await replicas.put("near", "How to authenticate with a token", "guide")
    await replicas.put("far", "authenticate", "api")
    assert [c.doc_id for c in (await replicas.ask("How to authenticate", section="api")).citations] == ["far"]
    answer = await replicas.ask("How to authenticate", section="tutorial")
    assert (answer.reuse.answer, answer.citations) == ("no_context", ())


async def test_a_written_document_is_found_at_once(replicas: Replicas) -> None:
    """Search and lookup find it, its first question is a cache hit, and other tenants don't find it."""
    order = WritingOrder(ACME, "Resetting it", RequestId("req-1"), "tutorial", source_code="def reset(): ...")
    document = (await replicas.services[0].generate_documentation(order)).document
    assert (document.title, document.section, document.content) == (
        "Resetting it",
        "tutorial",
        "Press Reset.",
    )
    answer = await replicas.ask("How do I reset it?", 1, section="tutorial")
    assert ([c.doc_id for c in answer.citations], answer.cache_hit) == ([document.doc_id], True)
    (hit,) = await replicas.search(ACME, "reset")
    assert (hit.doc_id, hit.snippet) == (document.doc_id, "Press Reset.")
    assert hit.score > 0
    assert (await replicas.ask("How do I reset it?", tenant=OTHER)).citations == ()
    assert await replicas.search(OTHER, "reset") == ()


async def test_clearing_by_pattern_makes_matching_documents_be_tokenized_again(replicas: Replicas) -> None:
    """It counts the cleared segments; other documents and other tenants' segments stay cached."""
    for doc_id, word in (("api-1", "alpha"), ("api-2", "beta"), ("guide-1", "gamma")):
        await replicas.put(doc_id, f"{word} words")
    await replicas.put("api-1", "alpha words", tenant=OTHER)
    assert await replicas.clear("api-*") == 2
    assert await replicas.clear("api-*") == 0
    answer = await replicas.ask("alpha beta gamma words")
    assert (answer.reuse.segments, answer.reuse.tokenized, answer.reuse.redis) == (3, 2, 1)
    assert (await replicas.ask("alpha words", tenant=OTHER)).cache_hit
