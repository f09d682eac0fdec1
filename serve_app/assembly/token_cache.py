"""The TokenCache deployment's service."""

from __future__ import annotations

import asyncio

from deployments.retrieval.retrieval_store import RedisRetrievalStore
from deployments.token_cache.bundle import load_bundle
from deployments.token_cache.encoder import BundleEncoder
from deployments.token_cache.hot_paths import RedisHotPaths
from deployments.token_cache.redis_store import RedisSegmentStore
from deployments.token_cache.service import TokenCacheService
from deployments.token_cache.ttl import segment_ttl_s
from serve_app.assembly.redis import watched_redis_link
from serve_app.settings import Settings


async def token_cache_service(settings: Settings, model: str) -> TokenCacheService:
    """Tokenizer of `model`, a name or a folder, and the shared store.

    Raises: ConfigurationError, TokenizerRefused.
    """
    bundle = await asyncio.to_thread(load_bundle, model)
    link, revive = await watched_redis_link(settings)
    store = RedisSegmentStore(link)
    retrievals = RedisRetrievalStore(link)
    return TokenCacheService(
        bundle,
        BundleEncoder(bundle),
        store,
        segment_ttl_s,
        revive,
        clear_retrievals=retrievals.clear,
        paths=RedisHotPaths(link),
    )
