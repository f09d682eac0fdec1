"""Builds the agents' services. Each replica has its own tokenizer, L1 and Redis client."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from deployments.access.redis_spending import RedisSpending
from deployments.agents.business import BusinessService
from deployments.agents.cached_agent import CachedAgent
from deployments.agents.documentation import DocumentationService
from deployments.agents.idea_attempts import AttemptParts
from deployments.agents.idea_generation import IdeaGenerator
from deployments.agents.image_checks import ImageLimits
from deployments.agents.ocr import RapidOcrReader
from deployments.agents.specs import DOCUMENTATION_WRITER, IDEA_WRITER
from deployments.agents.support import SupportService
from deployments.agents.template_retriever import TemplateRetriever
from deployments.agents.ticket_image import TicketImageReader
from deployments.core.agent_spec import AgentSpec
from deployments.core.ports import Retriever
from deployments.core.replica import Served, serving
from deployments.core.reuse.ordering import ORDERS
from deployments.core.services import (
    Agent,
    DocumentationWriter,
    IdeaGeneration,
    KnowledgeBase,
    Records,
    TicketImages,
    TokenCache,
)
from deployments.engine.warming import ClusterWarmer
from deployments.rag.answer_log import AnswerLog
from deployments.rag.engine_views import EngineViews
from deployments.rag.history_log import HistoryLog
from deployments.rag.parts import RagParts
from deployments.rag.path_log import PathLog
from deployments.rag.placer import Placer
from deployments.rag.shared_counts import SharedCounts
from deployments.rag.token_cached_rag import TokenCachedRAG
from deployments.rag.usage_reports import UsageReports
from deployments.token_cache.cluster_usage import ClusterUsage
from deployments.token_cache.counters import RedisCounterStore
from deployments.token_cache.encoder import BundleEncoder
from deployments.token_cache.history import RedisHistory
from deployments.token_cache.hot_paths import RedisHotPaths
from deployments.token_cache.lru import SegmentLru
from deployments.token_cache.redis_store import RedisSegmentStore
from deployments.token_cache.resolver import CachedResolver, UncachedResolver
from serve_app.assembly.question_log import question_log
from serve_app.assembly.redis import redis_link
from serve_app.assembly.retrieval import KeptTexts, leased_parts
from serve_app.assembly.warming import prompt_head, prompt_source
from serve_app.engine.handle import EngineHandle
from serve_app.metrics.ray_metrics import RayMeter
from serve_app.remote import client_of
from serve_app.settings import Settings
from serve_app.tracing.answers import answer_span
from serve_app.tracing.spans import stage


@dataclass(frozen=True)
class AgentPeers:
    """What an agent's replica gets from the application."""

    agents: Sequence[AgentSpec]
    """All agents, this one included."""
    token_cache: Any
    """Handle of the TokenCache deployment."""
    knowledge: Any
    """Handle of the Knowledge deployment."""
    engine: Any
    """Handle of the Engine deployment."""
    secret: bytes
    """Key of the cache salts."""
    seal: bytes = b""
    """Key of the checksums of entries in Redis."""

    def knowledge_base(self) -> KnowledgeBase:
        """A client of the documents."""
        return client_of(KnowledgeBase, self.knowledge, "the knowledge base")

    def records(self) -> Records:
        """A client of the records: templates, ideas, conversations, usage."""
        return client_of(Records, self.knowledge, "the knowledge base")


async def answering(spec: AgentSpec, settings: Settings, peers: AgentPeers) -> Sequence[Served]:
    """An agent that only answers from its collection. Waits for the TokenCache deployment."""
    parts = await _parts(spec, settings, peers)
    return [serving(Agent)(CachedAgent(spec, TokenCachedRAG(spec, parts)))]


async def support(spec: AgentSpec, settings: Settings, peers: AgentPeers) -> Sequence[Served]:
    """The support agent. Waits for the TokenCache deployment."""
    parts = await _parts(spec, settings, peers)
    images = TicketImageReader(
        RapidOcrReader(),
        lambda text: len(parts.encoder.encode_text(text)),
        ImageLimits(max_bytes=settings.max_body_bytes),
    )
    service = SupportService(spec, TokenCachedRAG(spec, parts), images)
    return [serving(Agent)(service), serving(TicketImages)(service)]


async def business(spec: AgentSpec, settings: Settings, peers: AgentPeers) -> Sequence[Served]:
    """The business generation agent. Waits for the TokenCache deployment."""
    knowledge, records = peers.knowledge_base(), peers.records()
    parts = await _parts(spec, settings, peers, TemplateRetriever(knowledge, records, knowledge))
    attempts = AttemptParts(TokenCachedRAG(IDEA_WRITER, parts), records, time.monotonic, time.time)
    ideas = IdeaGenerator(IDEA_WRITER, attempts, knowledge)
    service = BusinessService(spec, TokenCachedRAG(spec, parts), ideas)
    return [serving(Agent)(service), serving(IdeaGeneration)(service)]


async def documentation(spec: AgentSpec, settings: Settings, peers: AgentPeers) -> Sequence[Served]:
    """The documentation agent. Waits for the TokenCache deployment."""
    parts = await _parts(spec, settings, peers)
    writer = TokenCachedRAG(DOCUMENTATION_WRITER, parts)
    service = DocumentationService(spec, TokenCachedRAG(spec, parts), writer, peers.knowledge_base())
    return [serving(Agent)(service), serving(DocumentationWriter)(service)]


async def _parts(
    spec: AgentSpec, settings: Settings, peers: AgentPeers, templates: Retriever | None = None
) -> RagParts:
    """`templates` retrieves in place of the knowledge base's own search, if it is given."""
    token_cache = client_of(TokenCache, peers.token_cache, "the token cache")
    bundle = await token_cache.bundle()
    encoder = BundleEncoder(bundle)
    meter = RayMeter()
    link = await redis_link(settings, meter)
    store = RedisSegmentStore(link)
    engine = EngineHandle(peers.engine)
    knowledge = peers.knowledge_base()
    resolver = (
        CachedResolver(encoder, SegmentLru(settings.l1_bytes, meter), store, token_cache, seal=peers.seal)
        if settings.token_cache
        else UncachedResolver(encoder)
    )
    questions = question_log(settings)
    kept = KeptTexts(resolver.forget, questions.erase)
    leased = leased_parts(spec, knowledge, link, peers.secret, kept, seal=peers.seal, inner=templates)
    order = ORDERS[settings.order_of(spec.name)]
    head = partial(prompt_head, encoder, bundle.scaffold)
    prompts = prompt_source(peers.agents, link, head, leased.salts, peers.seal)
    as_fields = settings.log_format == "json"
    log = AnswerLog(spec.name, questions if settings.log_questions else None, as_fields=as_fields)

    return RagParts(
        retriever=leased.retriever if settings.retrieval_cache else templates or knowledge,
        resolver=resolver,
        generator=engine,
        encoder=encoder,
        scaffold=bundle.scaffold,
        counts=SharedCounts(
            RedisCounterStore(link), ClusterUsage(link), time.monotonic, counts_uses=order.counts_uses
        ),
        placer=Placer(order, EngineViews(engine, time.monotonic)),
        salts=leased.salts,
        warmer=ClusterWarmer(prompts, engine, settings),
        forget_retrievals=lambda scope: leased.retriever.clear(scope.tenant, scope.collection),
        paths=PathLog(RedisHotPaths(link)),
        usage=UsageReports(spec.name, RedisSpending(link), peers.records(), time.time),
        conversations=peers.records(),
        share_answers=settings.shares_answers(spec.name),
        rank_hint=settings.rank_hint,
        meter=meter,
        answered=(log, answer_span(spec.name), HistoryLog(RedisHistory(link))),
        stage_span=stage,
    )
