"""How each deployment scales. Pure functions: settings in, Serve's deployment options out."""

from __future__ import annotations

import math
from typing import Any

from deployments.engine.fair_queue import SHARE
from serve_app.engine import queued_prefill
from serve_app.settings import Settings

_AGENT_ONGOING = 8
"""Target of requests per agent replica. A request mostly waits for the engine."""
_MAX_ONGOING = 256
"""Maximum requests in a replica. Each is a coroutine, so this limits memory and not work."""
_CPU_ENGINE_ONGOING = 64
"""Maximum generations of one tenant in an engine replica on a CPU. With more, some would wait past their
deadline."""
_GPU_ENGINE_ONGOING = 256
"""The same on GPUs, and in servers: as many as vLLM runs at a time on most of them."""
_HEALTH_CHECK_PERIOD_S = 2
"""Serve replaces a replica that has died at its next check, and one that fails three in a row."""
_ONE_AHEAD = {"max_surge_percent": 1}
"""A rolling update starts a new replica before it stops an old one; Serve rounds up to one replica. Without
it, a deployment of one replica serves nothing until its new one has started.
"""
_LIGHT = {"num_cpus": 0.1}
"""Logical CPUs that a replica reserves. They decide where Ray places it, not how much it can use."""


def ingress(settings: Settings) -> dict[str, Any]:
    """Ingress: only passes requests on, so each replica takes many."""
    return _options(settings, 1, settings.ingress_max_replicas, 4 * _AGENT_ONGOING) | {
        "max_ongoing_requests": 4 * _MAX_ONGOING,
        **_ONE_AHEAD,
        **_graceful(settings),
    }


def agent(settings: Settings) -> dict[str, Any]:
    """An agent: scales on its own load. If its queue is full, callers get 429."""
    low, high = settings.agent_min_replicas, settings.agent_max_replicas
    return _options(settings, low, high, _AGENT_ONGOING) | {
        "max_queued_requests": _MAX_ONGOING,
        **_ONE_AHEAD,
        **_graceful(settings),
    }


def token_cache(settings: Settings) -> dict[str, Any]:
    """TokenCache: one replica, so that a segment is tokenized once for the whole cluster."""
    return _options(settings, 1, 1, _MAX_ONGOING) | _ONE_AHEAD


def knowledge(settings: Settings, agents: int) -> dict[str, Any]:
    """Knowledge: several replicas on PostgreSQL; one on SQLite, which has one writer.

    Each replica of an agent keeps one call open here that waits for changes. These calls are no load, so
    they are added to the limits. `agents` is the number of agents.
    """
    high = settings.knowledge_max_replicas if settings.on_postgresql else 1
    watching = agents * settings.agent_max_replicas
    return _options(settings, 1, high, _AGENT_ONGOING + math.ceil(watching / high)) | {
        "ray_actor_options": {"num_cpus": 1},
        "max_ongoing_requests": _MAX_ONGOING + watching,
        **(_ONE_AHEAD if settings.on_postgresql else {}),
    }


def engine_places(settings: Settings) -> int:
    """How many requests an engine replica takes: a quarter more than one tenant can have there."""
    return math.ceil(engine_ongoing(settings) * (1 + 1 / SHARE))


def engine_ongoing(settings: Settings) -> int:
    """How many requests a tenant can have in an engine replica."""
    on_gpu = settings.engine_gpus or settings.engine_urls
    return settings.engine_max_ongoing or (_GPU_ENGINE_ONGOING if on_gpu else _CPU_ENGINE_ONGOING)


def engine(settings: Settings) -> dict[str, Any]:
    """Engine: vLLM batches ongoing requests, so a replica takes many before another one is added.

    Each server of the settings has one replica, which computes nothing itself. Prompts that wait too long to
    be prefilled add one, too. A rolling update stops an old replica first: a new one before that needs
    hardware that may not be there, and then the update would wait for ever.
    """
    servers, gpus = len(settings.engine_servers()), settings.engine_gpus or 0
    low = servers or settings.engine_replicas
    high = servers or max(low, settings.engine_max_replicas or low)
    options = _options(settings, low, high, math.ceil(engine_ongoing(settings) / 2))
    options["autoscaling_config"]["policy"] = {"policy_function": queued_prefill.PATH}
    # Without CPUs of its own, a GPU node can have none for other replicas.
    computing = {"num_cpus": 0 if gpus else 1, "num_gpus": gpus}
    return options | {
        "ray_actor_options": _LIGHT if servers else computing,
        "max_ongoing_requests": engine_places(settings),
        "max_queued_requests": _MAX_ONGOING,
        **_graceful(settings),
    }


def _graceful(settings: Settings) -> dict[str, Any]:
    """Lets a replica that is removed finish its requests, up to their deadline."""
    return {"graceful_shutdown_timeout_s": settings.request_timeout_s}


def _options(settings: Settings, low: int, high: int, ongoing: int) -> dict[str, Any]:
    return {
        "max_ongoing_requests": _MAX_ONGOING,
        "ray_actor_options": _LIGHT,
        "health_check_period_s": _HEALTH_CHECK_PERIOD_S,
        "autoscaling_config": {
            "min_replicas": low,
            "max_replicas": max(low, high),
            "target_ongoing_requests": ongoing,
            "upscale_delay_s": settings.upscale_delay_s,
            "downscale_delay_s": settings.downscale_delay_s,
        },
    }
