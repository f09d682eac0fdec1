"""Decorates and binds the deployments: the only place that makes the graph.

Ingress -> Support -> (TokenCache, Knowledge, Engine);  Knowledge, Engine -> TokenCache
"""

from __future__ import annotations

from functools import partial
from typing import Any

from ray import serve
from ray.serve import Application
from ray.serve.config import RequestRouterConfig

from deployments.agents.deployment import BusinessGeneration, Documentation, Support
from deployments.agents.specs import BUSINESS, DOCUMENTATION, SUPPORT
from deployments.engine.deployment import Engine
from deployments.engine.warming import WarmStart
from deployments.token_cache.deployment import TokenCache
from serve_app import scaling
from serve_app.assembly.agents import AgentPeers, business_service, documentation_service, support_service
from serve_app.assembly.engine import start_engine
from serve_app.assembly.records import KnowledgeAndRecords, knowledge_and_records
from serve_app.assembly.token_cache import token_cache_service
from serve_app.assembly.warming import warm_prompts
from serve_app.handles.engine_router import PreferenceRouter
from serve_app.ingress import Ingress
from serve_app.local_models import Models
from serve_app.settings import Settings

_BY_PREFERENCE = {"request_router_config": RequestRouterConfig(request_router_class=PreferenceRouter)}


def build_graph(settings: Settings, models: Models, secret: bytes) -> Application:
    """The application. Every replica can load `models`."""
    token_cache = _deployed(TokenCache, scaling.token_cache(settings)).bind(
        partial(token_cache_service, settings, models.llm)
    )
    knowledge = _deployed(KnowledgeAndRecords, scaling.knowledge(settings), "Knowledge").bind(
        partial(knowledge_and_records, settings, models.embedding, token_cache)
    )
    engine = _deployed(Engine, scaling.engine(settings) | _BY_PREFERENCE).bind(
        partial(start_engine, settings, models),
        settings.stream_interval_ms / 1000,
        WarmStart(partial(warm_prompts, settings, token_cache, secret), settings.warm_up_s),
    )
    peers = AgentPeers(token_cache, knowledge, engine, secret)
    agents = {
        spec.name: (
            _deployed(kind, scaling.agent(settings)).bind(partial(build, settings, peers)),
            spec.collection,
        )
        for spec, kind, build in (
            (SUPPORT, Support, support_service),
            (BUSINESS, BusinessGeneration, business_service),
            (DOCUMENTATION, Documentation, documentation_service),
        )
    }
    front = _deployed(serve.ingress()(Ingress), scaling.ingress(settings), "Ingress")
    return front.bind(settings, agents, knowledge, token_cache, engine)


def _deployed(kind: type, options: dict[str, Any], name: str | None = None) -> serve.Deployment:
    return serve.deployment(kind, name=name or kind.__name__).options(**options)
