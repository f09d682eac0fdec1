"""Decorates and binds the deployments: the only place that makes the graph.

Ingress -> Support -> (TokenCache, Knowledge, Engine);  Knowledge -> TokenCache
"""

from __future__ import annotations

from functools import partial

from ray import serve
from ray.serve import Application

from deployments.agents.deployment import Support
from deployments.agents.specs import SUPPORT
from deployments.engine.deployment import Engine
from deployments.knowledge.deployment import Knowledge
from deployments.token_cache.deployment import TokenCache
from serve_app.assembly.agents import AgentPeers, support_service
from serve_app.assembly.engine import start_engine
from serve_app.assembly.knowledge import knowledge_service
from serve_app.assembly.token_cache import token_cache_service
from serve_app.ingress import Ingress
from serve_app.local_models import Models
from serve_app.settings import Settings

_MAX_ONGOING = 256
"""Requests that one replica works on at a time: they wait for the engine, and cost a coroutine each."""
_LIGHT = {"num_cpus": 0.1}
"""What a replica asks Ray for. Logical: it decides where replicas go, not what they may use."""


def build_graph(settings: Settings, models: Models, secret: bytes) -> Application:
    """The application. `models` are names or folders that every replica can load."""
    token_cache = (
        serve.deployment(TokenCache, name="TokenCache")
        .options(ray_actor_options=_LIGHT, max_ongoing_requests=_MAX_ONGOING, health_check_period_s=2)
        .bind(partial(token_cache_service, settings, models.llm))
    )
    # One replica: in SQLite mode one connection only may write.
    knowledge = (
        serve.deployment(Knowledge, name="Knowledge")
        .options(ray_actor_options={"num_cpus": 1}, max_ongoing_requests=_MAX_ONGOING)
        .bind(partial(knowledge_service, settings, models.embedding, token_cache))
    )
    engine = (
        serve.deployment(Engine, name="Engine")
        .options(
            ray_actor_options={"num_cpus": 1, "num_gpus": settings.engine_gpus},
            num_replicas=settings.engine_replicas,
            max_ongoing_requests=_MAX_ONGOING,
        )
        .bind(partial(start_engine, settings, models.llm))
    )
    peers = AgentPeers(token_cache, knowledge, engine, secret)
    support = (
        serve.deployment(Support, name="Support")
        .options(
            ray_actor_options=_LIGHT, max_ongoing_requests=_MAX_ONGOING, max_queued_requests=_MAX_ONGOING
        )
        .bind(partial(support_service, settings, peers))
    )
    return (
        serve.deployment(serve.ingress()(Ingress), name="Ingress")
        .options(ray_actor_options=_LIGHT, max_ongoing_requests=4 * _MAX_ONGOING)
        .bind(settings, {SUPPORT.name: (support, SUPPORT.collection)}, knowledge, token_cache, engine)
    )
