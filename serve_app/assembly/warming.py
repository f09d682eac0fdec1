"""The prompts that engine replicas prefill at start-up, from the hot paths in the shared store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from deployments.agents.specs import DOCUMENTATION_WRITER
from deployments.core.agent_spec import AgentSpec
from deployments.core.errors import CacheUnavailable
from deployments.core.messages import ChatScaffold, EngineInfo
from deployments.core.ports import TextEncoder
from deployments.core.salt import cache_salt, entry_seal
from deployments.core.services import TokenCache
from deployments.core.token_ids import TokenIds
from deployments.engine.warm_prompts import PromptSource, WarmPrompt, plan_for
from deployments.rag.prompt import PromptAssembler
from deployments.redis.connection import RedisLink
from deployments.token_cache.encoder import BundleEncoder
from deployments.token_cache.hot_paths import RedisHotPaths
from deployments.token_cache.redis_store import RedisSegmentStore
from deployments.token_cache.stored_segments import stored_segments
from serve_app.assembly.redis import redis_link
from serve_app.remote import client_of
from serve_app.settings import Settings


def prompt_source(
    agents: Sequence[AgentSpec],
    link: RedisLink,
    head: Callable[[str], TokenIds],
    secret: bytes,
    seal: bytes,
) -> PromptSource:
    """The source of prompts of `agents`. `head` gives what prompts with a preamble begin with. `secret` is
    the key of the cache salts, `seal` that of checksums in Redis.
    """
    return PromptSource(
        paths=RedisHotPaths(link),
        stored=partial(stored_segments, RedisSegmentStore(link), seal=seal),
        salt_of=partial(cache_salt, secret),
        heads={spec.collection: head(spec.preamble) for spec in agents},
        bare_heads=[head(DOCUMENTATION_WRITER.preamble)],
    )


def prompt_head(encoder: TextEncoder, scaffold: ChatScaffold, preamble: str) -> TokenIds:
    """What all prompts with a preamble begin with."""
    return PromptAssembler(encoder, scaffold, preamble).head


async def warm_prompts(
    settings: Settings, agents: Sequence[AgentSpec], token_cache: Any, secret: bytes, info: EngineInfo
) -> list[WarmPrompt]:
    """Returns the prompts that a new replica of the engine `info` prefills, within its budget.

    `token_cache` is the handle of the TokenCache deployment. Raises Unavailable, ConfigurationError.
    """
    bundle = await client_of(TokenCache, token_cache, "the token cache").bundle()
    link = await redis_link(settings)
    try:
        head = partial(prompt_head, BundleEncoder(bundle), bundle.scaffold)
        wanted = await prompt_source(agents, link, head, secret, entry_seal(secret)).most_wanted()
    finally:
        with suppress(CacheUnavailable):  # the hot paths have already been read
            await link.close()
    return plan_for(info, wanted, settings.warm_up_tokens)
