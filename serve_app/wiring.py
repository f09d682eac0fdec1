"""Decorates and binds the deployments: the only place that makes the graph.

Ingress -> each agent -> (TokenCache, Knowledge, Engine)
Ingress -> (Knowledge, TokenCache);  Knowledge, Engine -> TokenCache
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ray import serve
from ray.serve import Application
from ray.serve.config import RequestRouterConfig

from deployments.agents.specs import AGENTS
from deployments.core.agent_spec import AgentSpec
from deployments.core.replica import Build, Replica
from deployments.core.salt import entry_seal
from deployments.engine.warming import WarmStart
from serve_app import scaling
from serve_app.agents import build_of
from serve_app.assembly.agents import AgentPeers
from serve_app.assembly.engine import engine as engine_services
from serve_app.assembly.records import knowledge_and_records
from serve_app.assembly.token_cache import token_cache as token_cache_services
from serve_app.assembly.warming import warm_prompts
from serve_app.engine.router import PreferenceRouter
from serve_app.ingress import AgentHandle, Ingress
from serve_app.local_models import Models
from serve_app.settings import Settings

_BY_PREFERENCE = {"request_router_config": RequestRouterConfig(request_router_class=PreferenceRouter)}


def build_graph(
    settings: Settings, models: Models, secret: bytes, agents: Sequence[AgentSpec] = AGENTS
) -> Application:
    """The application as Serve runs it. `models` must be available on every node."""
    seal = entry_seal(secret)
    token_cache = _bound(
        "TokenCache",
        scaling.token_cache(settings),
        partial(token_cache_services, settings, models.llm, agents, seal),
    )
    knowledge = _bound(
        "Knowledge",
        scaling.knowledge(settings, len(agents)),
        partial(knowledge_and_records, settings, models.embedding, token_cache),
    )
    warm_start = WarmStart(partial(warm_prompts, settings, agents, token_cache, secret), settings.warm_up_s)
    engine = _bound(
        "Engine",
        scaling.engine(settings) | _BY_PREFERENCE,
        partial(engine_services, settings, models, warm_start),
    )
    peers = AgentPeers(agents, token_cache, knowledge, engine, secret, seal)
    handles = [
        AgentHandle(spec, _bound(spec.deployment, scaling.agent(settings), build_of(spec, settings, peers)))
        for spec in agents
    ]
    front = serve.deployment(serve.ingress()(Ingress), name="Ingress").options(**scaling.ingress(settings))
    return front.bind(settings, handles, knowledge, token_cache, engine)


def _bound(name: str, options: dict[str, Any], build: Build) -> Application:
    return serve.deployment(Replica, name=name).options(**options).bind(build)
