"""Decorates and binds the deployments: the only place that makes the graph.

Ingress -> each agent -> (TokenCache, Knowledge, Engine)
Ingress -> (Knowledge, TokenCache);  Knowledge -> TokenCache;  Engine -> (Knowledge, TokenCache)
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
from deployments.core.replica import Build, Replica, Served
from deployments.core.salt import entry_seal
from deployments.engine.warming import WarmStart
from serve_app import scaling
from serve_app.agents import build_of
from serve_app.assembly.agents import AgentPeers
from serve_app.assembly.own_models import engine_services, knowledge_services, token_cache_services
from serve_app.assembly.warming import WarmPeers, warm_prompts
from serve_app.engine.preference_router import PreferenceRouter
from serve_app.ingress import AgentHandle, Ingress
from serve_app.logs import log_as_serve, serve_logging
from serve_app.settings import Settings
from serve_app.tracing import export
from serve_app.tracing.calls import traced

_BY_PREFERENCE = {"request_router_config": RequestRouterConfig(request_router_class=PreferenceRouter)}


def build_graph(settings: Settings, secret: bytes, agents: Sequence[AgentSpec] = AGENTS) -> Application:
    """The application as Serve runs it. Each replica finds its model on its own node."""
    bound = partial(deployed, settings)
    seal = entry_seal(secret)
    token_cache = bound(
        "TokenCache",
        scaling.token_cache(settings),
        partial(token_cache_services, settings, agents, seal),
    )
    knowledge = bound(
        "Knowledge",
        scaling.knowledge(settings, len(agents)),
        partial(knowledge_services, settings, token_cache),
    )
    prompts = partial(warm_prompts, settings, WarmPeers(agents, token_cache, knowledge, secret))
    warm_start = WarmStart(prompts, settings.warm_up_s)
    engine = bound(
        "Engine",
        scaling.engine(settings) | _BY_PREFERENCE,
        partial(engine_services, settings, token_cache, warm_start),
    )
    peers = AgentPeers(agents, token_cache, knowledge, engine, secret, seal)
    handles = [
        AgentHandle(spec, bound(spec.deployment, scaling.agent(settings), build_of(spec, settings, peers)))
        for spec in agents
    ]
    front = serve.deployment(serve.ingress()(_Front), name="Ingress")
    front = front.options(**scaling.ingress(settings), logging_config=serve_logging(settings))
    return front.bind(settings, handles, knowledge, token_cache, engine)


class _Front(Ingress):
    """The Ingress in a process of its own."""

    def __init__(self, settings: Settings, *parts: Any) -> None:
        prepare_process("Ingress", settings)
        super().__init__(settings, *parts)


def deployed(settings: Settings, name: str, options: dict[str, Any], build: Build) -> Application:
    """A deployment of the services that `build` makes, with Serve's `options`, and with traces and a log."""
    deployment = serve.deployment(Replica, name=name)
    configured = deployment.options(**options, logging_config=serve_logging(settings))
    return configured.bind(partial(_built, settings, name, build), traced(name))


async def _built(settings: Settings, name: str, build: Build) -> Sequence[Served]:
    prepare_process(name, settings)
    return await build()


def prepare_process(name: str, settings: Settings) -> None:
    """Starts a replica's traces and log. Raises ConfigurationError."""
    log_as_serve(settings.log_level)
    export.start(name)
