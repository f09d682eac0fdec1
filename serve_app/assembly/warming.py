"""What engine replicas prefill: prompts of this application's agents, from the cluster's shared store."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

from deployments.agents.specs import AGENTS, DOCUMENTATION_WRITER
from deployments.core.errors import CacheUnavailable
from deployments.core.messages import EngineInfo, TokenizerBundle
from deployments.core.salt import cache_salt
from deployments.core.token_ids import TokenIds
from deployments.engine.warm_prompts import PromptSource, WarmPrompt, plan_for
from deployments.rag.prompt import PromptAssembler
from deployments.redis.connection import RedisLink
from deployments.token_cache.encoder import BundleEncoder
from deployments.token_cache.hot_paths import RedisHotPaths
from deployments.token_cache.redis_store import RedisSegmentStore
from deployments.token_cache.stored_segments import stored_segments
from serve_app.assembly.redis import redis_link
from serve_app.handles.token_cache import TokenCacheHandle
from serve_app.settings import Settings


def prompt_source(link: RedisLink, bundle: TokenizerBundle, secret: bytes) -> PromptSource:
    """The prompts of all agents. `secret` is the key of the cache salts."""
    encoder = BundleEncoder(bundle)

    def head(preamble: str) -> TokenIds:
        return PromptAssembler(encoder, bundle.scaffold, preamble).head

    return PromptSource(
        paths=RedisHotPaths(link),
        stored=partial(stored_segments, RedisSegmentStore(link)),
        salt_of=partial(cache_salt, secret),
        heads={spec.collection: head(spec.preamble) for spec in AGENTS},
        bare_heads=[head(DOCUMENTATION_WRITER.preamble)],
    )


async def warm_prompts(
    settings: Settings, token_cache: Any, secret: bytes, info: EngineInfo
) -> list[WarmPrompt]:
    """What a new replica of this engine prefills, within its budget.

    `token_cache` is the handle of the TokenCache deployment. Raises Unavailable, ConfigurationError.
    """
    bundle = await TokenCacheHandle(token_cache).bundle()
    link = await redis_link(settings)
    try:
        wanted = await prompt_source(link, bundle, secret).most_wanted()
    finally:
        with suppress(CacheUnavailable):  # the paths have been read
            await link.close()
    return plan_for(info, wanted, settings.warm_up_tokens)
