"""The prompts that engine replicas prefill at start-up, from the hot paths in the shared store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from deployments.agents.specs import DOCUMENTATION_WRITER
from deployments.core.agent_spec import AgentSpec
from deployments.core.errors import CacheUnavailable
from deployments.core.messages import ChatScaffold, EngineInfo
from deployments.core.ports import TextEncoder
from deployments.core.salt import Salts, entry_seal
from deployments.core.services import KnowledgeBase, TokenCache
from deployments.core.token_ids import TokenIds
from deployments.engine.warm_prompts import PromptSource, WarmPrompt, plan_for
from deployments.rag.prompt import PromptAssembler
from deployments.redis.connection import RedisLink
from deployments.retrieval.held_leases import LeaseKeeper
from deployments.retrieval.tenant_salts import TenantSalts
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
    salts: Salts,
    seal: bytes,
) -> PromptSource:
    """The source of prompts of `agents`. `head` gives what prompts with a preamble begin with. `seal` is the
    key of checksums in Redis.
    """
    return PromptSource(
        paths=RedisHotPaths(link),
        stored=partial(stored_segments, RedisSegmentStore(link), seal=seal),
        salts=salts,
        heads={spec.collection: head(spec.preamble) for spec in agents},
        bare_heads=[head(DOCUMENTATION_WRITER.preamble)],
    )


def prompt_head(encoder: TextEncoder, scaffold: ChatScaffold, preamble: str) -> TokenIds:
    """What all prompts with a preamble begin with."""
    return PromptAssembler(encoder, scaffold, preamble).head


@dataclass(frozen=True)
class WarmPeers:
    """What an engine's replica gets from the application to select prompts."""

    agents: Sequence[AgentSpec]
    token_cache: Any
    """Handle of the TokenCache deployment."""
    knowledge: Any
    """Handle of the Knowledge deployment."""
    secret: bytes
    """Key of the cache salts, and of checksums in Redis."""


async def warm_prompts(settings: Settings, peers: WarmPeers, info: EngineInfo) -> list[WarmPrompt]:
    """Returns the prompts that a new replica of the engine `info` prefills, within its budget.

    Raises Unavailable, ConfigurationError.
    """
    bundle = await client_of(TokenCache, peers.token_cache, "the token cache").bundle()
    link = await redis_link(settings)
    keeper = LeaseKeeper(client_of(KnowledgeBase, peers.knowledge, "the knowledge base"))
    salts = TenantSalts(keeper, peers.secret)
    try:
        head = partial(prompt_head, BundleEncoder(bundle), bundle.scaffold)
        source = prompt_source(peers.agents, link, head, salts, entry_seal(peers.secret))
        wanted = await source.most_wanted()
    finally:
        await keeper.close()
        with suppress(CacheUnavailable):  # the hot paths have already been read
            await link.close()
    return plan_for(info, wanted, settings.warm_up_tokens)
