"""The TokenCache deployment's service."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from deployments.core.agent_spec import AgentSpec, segment_ttl_s
from deployments.core.replica import Served, serving
from deployments.core.services import ReuseHistory, TokenCache
from deployments.retrieval.retrieval_store import RedisRetrievalStore
from deployments.token_cache.bundle import load_bundle
from deployments.token_cache.encoder import BundleEncoder
from deployments.token_cache.history import RedisHistory
from deployments.token_cache.hot_paths import RedisHotPaths
from deployments.token_cache.redis_store import RedisSegmentStore
from deployments.token_cache.service import TokenCacheService
from serve_app.assembly.redis import restartable_redis_link
from serve_app.metrics.ray_metrics import RayMeter
from serve_app.settings import Settings


async def token_cache(
    settings: Settings, model: str, agents: Sequence[AgentSpec], seal: bytes = b""
) -> Sequence[Served]:
    """The service with the tokenizer of `model` (a name or a folder), for the collections of `agents`.

    `seal` is the key of the checksums of entries in Redis.
    Raises ConfigurationError, TokenizerRefused.
    """
    bundle = await asyncio.to_thread(load_bundle, model, settings.allow_text_roles)
    link, restart_store = await restartable_redis_link(settings, RayMeter())
    store = RedisSegmentStore(link)
    service = TokenCacheService(
        bundle,
        BundleEncoder(bundle),
        store,
        partial(segment_ttl_s, agents),
        restart_store,
        retrievals=RedisRetrievalStore(link),
        paths=RedisHotPaths(link),
        seal=seal,
    )
    return [serving(TokenCache)(service), serving(ReuseHistory)(RedisHistory(link))]
