"""The agents' services: each replica has a tokenizer, an L1 and a Redis client of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from deployments.agents.business import BusinessService
from deployments.agents.documentation import DocumentationService
from deployments.agents.idea_attempts import AttemptParts
from deployments.agents.idea_generation import IdeaGenerator
from deployments.agents.image_checks import ImageLimits
from deployments.agents.ocr import RapidOcrReader
from deployments.agents.specs import BUSINESS, DOCUMENTATION, DOCUMENTATION_WRITER, IDEA_WRITER, SUPPORT
from deployments.agents.support import SupportService, SupportTools
from deployments.agents.template_retriever import TemplateRetriever
from deployments.agents.ticket_image import TicketImageReader
from deployments.core.agent_spec import AgentSpec
from deployments.core.ids import Scope
from deployments.core.ports import Retriever
from deployments.core.reuse.ordering import POLICIES
from deployments.core.salt import cache_salt
from deployments.engine.warming import ClusterWarmer
from deployments.rag.answer_log import AnswerLog
from deployments.rag.engine_views import EngineViews
from deployments.rag.parts import RagParts
from deployments.rag.path_log import PathLog
from deployments.rag.placer import Placer
from deployments.rag.shared_counts import SharedCounts
from deployments.rag.token_cached_rag import TokenCachedRAG
from deployments.token_cache.counters import RedisCounterStore
from deployments.token_cache.encoder import BundleEncoder
from deployments.token_cache.hot_paths import RedisHotPaths
from deployments.token_cache.lru import SegmentLru
from deployments.token_cache.redis_store import RedisSegmentStore
from deployments.token_cache.resolver import CachedResolver, UncachedResolver
from serve_app.assembly.redis import redis_link
from serve_app.assembly.retrieval import cached_retriever
from serve_app.assembly.warming import prompt_source
from serve_app.handles.business import BusinessMemoryHandle
from serve_app.handles.engine import EngineHandle
from serve_app.handles.knowledge import KnowledgeHandle
from serve_app.handles.records import RecordsHandle
from serve_app.handles.token_cache import TokenCacheHandle
from serve_app.settings import Settings


@dataclass(frozen=True)
class AgentPeers:
    """Handles of what an agent calls, and the key of the cache salts."""

    token_cache: Any
    knowledge: Any
    engine: Any
    secret: bytes


async def support_service(settings: Settings, peers: AgentPeers) -> SupportService:
    """The support agent; waits for the TokenCache deployment."""
    encoder = BundleEncoder(await TokenCacheHandle(peers.token_cache).bundle())
    images = TicketImageReader(
        RapidOcrReader(),
        lambda text: len(encoder.encode_text(text)),
        ImageLimits(max_bytes=settings.max_body_bytes),
    )
    tools = SupportTools(RecordsHandle(peers.knowledge), KnowledgeHandle(peers.knowledge), images)
    return SupportService(SUPPORT, TokenCachedRAG(SUPPORT, await _parts(SUPPORT, settings, peers)), tools)


async def business_service(settings: Settings, peers: AgentPeers) -> BusinessService:
    """The business generation agent; waits for the TokenCache deployment."""
    knowledge, memory = KnowledgeHandle(peers.knowledge), BusinessMemoryHandle(peers.knowledge)
    templates = TemplateRetriever(knowledge, memory, knowledge)
    parts = await _parts(BUSINESS, settings, peers, templates)
    attempts = AttemptParts(TokenCachedRAG(IDEA_WRITER, parts), memory, time.monotonic, time.time)
    ideas = IdeaGenerator(IDEA_WRITER, attempts, knowledge)
    return BusinessService(BUSINESS, TokenCachedRAG(BUSINESS, parts), memory, ideas)


async def documentation_service(settings: Settings, peers: AgentPeers) -> DocumentationService:
    """The documentation agent; waits for the TokenCache deployment."""
    parts = await _parts(DOCUMENTATION, settings, peers)
    return DocumentationService(
        DOCUMENTATION,
        TokenCachedRAG(DOCUMENTATION, parts),
        TokenCachedRAG(DOCUMENTATION_WRITER, parts),
        KnowledgeHandle(peers.knowledge),
    )


async def _parts(
    spec: AgentSpec, settings: Settings, peers: AgentPeers, templates: Retriever | None = None
) -> RagParts:
    """`templates` retrieves instead of the knowledge base's own search."""
    token_cache = TokenCacheHandle(peers.token_cache)
    bundle = await token_cache.bundle()
    encoder = BundleEncoder(bundle)
    link = await redis_link(settings)
    store = RedisSegmentStore(link)
    engine = EngineHandle(peers.engine)
    knowledge = KnowledgeHandle(peers.knowledge)
    kept = cached_retriever(knowledge, link, templates, spec.name)
    l1 = SegmentLru(settings.l1_bytes)
    order = settings.order_of(spec.name)

    async def clear(scope: Scope) -> int:
        l1.clear(scope.tenant, scope.collection)
        kept.clear(scope.tenant, scope.collection)
        return await token_cache.clear(scope.tenant, scope.collection)

    return RagParts(
        retriever=kept if settings.retrieval_cache else templates or knowledge,
        resolver=CachedResolver(encoder, l1, store, token_cache)
        if settings.token_cache
        else UncachedResolver(encoder),
        generator=engine,
        encoder=encoder,
        scaffold=bundle.scaffold,
        counts=SharedCounts(RedisCounterStore(link), store.usage, time.monotonic),
        placer=Placer(order, POLICIES[order], EngineViews(engine, time.monotonic)),
        salt_of=partial(cache_salt, peers.secret),
        clear_segments=clear,
        warmer=ClusterWarmer(prompt_source(link, bundle, peers.secret), engine, settings),
        forget_retrievals=lambda scope: kept.clear(scope.tenant, scope.collection),
        paths=PathLog(RedisHotPaths(link)),
        share_answers=settings.shares_answers(spec.name),
        rank_hint=settings.rank_hint,
        answered=AnswerLog(spec.name, with_questions=settings.log_questions),
    )
