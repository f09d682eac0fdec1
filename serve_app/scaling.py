"""How each deployment scales, stated for each one. Pure: settings in, Serve's options out."""

from __future__ import annotations

import math
from typing import Any

from serve_app.settings import Settings

_AGENT_ONGOING = 8
"""Requests a replica should work on at a time. Most of one is waiting for the engine."""
_MAX_ONGOING = 256
"""Requests a replica may hold: each is a coroutine, so this bounds memory and not work."""
_ENGINE_ONGOING = 64
"""Generations an engine replica may hold. Many more would wait longer than their deadline."""
_LIGHT = {"num_cpus": 0.1}
"""What a replica asks Ray for. Logical: it decides where replicas go, not what they may use."""


def ingress(settings: Settings) -> dict[str, Any]:
    """The front only passes requests on."""
    return _options(settings, 1, settings.ingress_max_replicas, 4 * _AGENT_ONGOING) | {
        "max_ongoing_requests": 4 * _MAX_ONGOING,
        **_finishing(settings),
    }


def agent(settings: Settings) -> dict[str, Any]:
    """Each agent on its own load; beyond the queue, callers are told to come again (429)."""
    low, high = settings.agent_min_replicas, settings.agent_max_replicas
    return _options(settings, low, high, _AGENT_ONGOING) | {
        "max_queued_requests": _MAX_ONGOING,
        **_finishing(settings),
    }


def token_cache(settings: Settings) -> dict[str, Any]:
    """One replica: that is what makes a segment tokenized once for the whole cluster."""
    return _options(settings, 1, 1, _MAX_ONGOING) | {"health_check_period_s": 2}


def knowledge(settings: Settings, agents: int) -> dict[str, Any]:
    """As many as asked for on PostgreSQL; SQLite has one writer, hence one replica.

    Every replica of an agent keeps a call waiting here for news of changes, which is no load.
    """
    high = settings.knowledge_max_replicas if settings.on_postgresql else 1
    watching = agents * settings.agent_max_replicas if settings.retrieval_cache else 0
    return _options(settings, 1, high, _AGENT_ONGOING + math.ceil(watching / high)) | {
        "ray_actor_options": {"num_cpus": 1},
        "max_ongoing_requests": _MAX_ONGOING + watching,
    }


def engine(settings: Settings) -> dict[str, Any]:
    """vLLM batches what is ongoing, so a replica is full late."""
    low = settings.engine_replicas
    high = max(low, settings.engine_max_replicas or low)
    return _options(settings, low, high, 4 * _AGENT_ONGOING) | {
        "ray_actor_options": {"num_cpus": 1, "num_gpus": settings.engine_gpus or 0},
        "max_ongoing_requests": _ENGINE_ONGOING,
        "max_queued_requests": _MAX_ONGOING,
        "health_check_period_s": 2,  # three failures in a row replace a replica whose engine died
        **_finishing(settings),
    }


def _finishing(settings: Settings) -> dict[str, Any]:
    """A replica that is to go first finishes what it has begun, however long that may take."""
    return {"graceful_shutdown_timeout_s": settings.request_timeout_s}


def _options(settings: Settings, low: int, high: int, ongoing: int) -> dict[str, Any]:
    return {
        "max_ongoing_requests": _MAX_ONGOING,
        "ray_actor_options": _LIGHT,
        "autoscaling_config": {
            "min_replicas": low,
            "max_replicas": max(low, high),
            "target_ongoing_requests": ongoing,
            "upscale_delay_s": settings.upscale_delay_s,
            "downscale_delay_s": settings.downscale_delay_s,
        },
    }
