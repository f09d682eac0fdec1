"""What a new engine replica prefills: how agents' prompts begin, as the cluster has counted them."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from deployments.agents.specs import AGENTS, DOCUMENTATION_WRITER
from deployments.core.errors import CacheUnavailable
from deployments.core.ids import DEFAULT_TENANT, CollectionName, Scope, SegmentKey, TenantId
from deployments.core.messages import EngineInfo, HotPath, TokenizerBundle, Warmed
from deployments.core.ports import HotPaths, SegmentStore
from deployments.core.reuse.paths import ids_segment, segment_id
from deployments.core.salt import cache_salt
from deployments.core.token_ids import TokenIds
from deployments.engine.warm_prompts import WarmPrompt, plan
from deployments.rag.prompt import PromptAssembler
from deployments.redis.connection import RedisLink
from deployments.token_cache.encoder import BundleEncoder
from deployments.token_cache.hot_paths import RedisHotPaths
from deployments.token_cache.redis_store import RedisSegmentStore
from deployments.token_cache.stored_segments import stored_segments
from serve_app.assembly.redis import redis_link
from serve_app.handles.engine import EngineHandle
from serve_app.handles.token_cache import TokenCacheHandle
from serve_app.settings import Settings

log = logging.getLogger(__name__)

HOT_PATHS = 256
"""Paths read; a cache of 46,000 tokens holds some fifty."""


@dataclass(frozen=True, slots=True)
class PromptSource:
    """Where prompts' beginnings come from. `heads` are the ids that open an agent's prompts, by collection,
    `bare_heads` those of prompts without documents."""

    paths: HotPaths
    segments: SegmentStore
    salt_of: Callable[[TenantId], str]
    heads: Mapping[CollectionName, TokenIds]
    bare_heads: Sequence[TokenIds] = ()

    async def hottest(
        self, tenant: TenantId | None = None, collection: CollectionName | None = None
    ) -> list[WarmPrompt]:
        """The paths asked for most, of one tenant and collection or all, as far as their segments are stored.

        Raises CacheUnavailable.
        """
        paths = await self.paths.hottest(HOT_PATHS, tenant)
        return await self._prompts([p for p in paths if collection in (None, p.scope.collection)])

    def preambles(self, tenants: Iterable[TenantId]) -> Iterator[WarmPrompt]:
        """How all prompts of these tenants begin."""
        for tenant in tenants:
            for head in (*self.heads.values(), *self.bare_heads):
                yield WarmPrompt(self.salt_of(tenant), ((ids_segment(head), head),))

    async def most_wanted(self) -> list[WarmPrompt]:
        """What a new replica should hold, most wanted first: the default tenant's preambles, the hottest
        paths, and what other agents of their tenants begin with. Without the shared store the first only."""
        first = [*self.preambles([DEFAULT_TENANT])]
        try:
            paths = await self.paths.hottest(HOT_PATHS)
            hottest = await self._prompts(paths)
        except CacheUnavailable as error:
            log.warning("what is asked for most is not known: %s", error)
            return first
        tenants = dict.fromkeys(path.scope.tenant for path in paths)
        return [*first, *hottest, *self.preambles(tenants)]

    async def _prompts(self, paths: Sequence[HotPath]) -> list[WarmPrompt]:
        opened = [path for path in paths if path.scope.collection in self.heads]
        ids = await self._ids(opened)
        return [self._prompt(path, ids[path.scope]) for path in opened]

    async def _ids(self, paths: Sequence[HotPath]) -> dict[Scope, Mapping[SegmentKey, TokenIds]]:
        wanted: dict[Scope, dict[SegmentKey, None]] = defaultdict(dict)
        for path in paths:
            wanted[path.scope].update(dict.fromkeys(path.keys))
        found: dict[Scope, Mapping[SegmentKey, TokenIds]] = {}
        for scope, keys in wanted.items():
            found[scope], _ = await stored_segments(self.segments, scope, list(keys))
        return found

    def _prompt(self, path: HotPath, ids: Mapping[SegmentKey, TokenIds]) -> WarmPrompt:
        """Up to the first segment that is not stored any more."""
        head = self.heads[path.scope.collection]
        segments = [(ids_segment(head), head)]
        for key in path.keys:
            if key not in ids:
                break
            segments.append((segment_id(key), ids[key]))
        return WarmPrompt(self.salt_of(path.scope.tenant), tuple(segments))


def prompt_source(link: RedisLink, bundle: TokenizerBundle, secret: bytes) -> PromptSource:
    """The cluster's, for its agents."""
    encoder = BundleEncoder(bundle)

    def head(preamble: str) -> TokenIds:
        return PromptAssembler(encoder, bundle.scaffold, preamble).head

    return PromptSource(
        paths=RedisHotPaths(link),
        segments=RedisSegmentStore(link),
        salt_of=partial(cache_salt, secret),
        heads={spec.collection: head(spec.preamble) for spec in AGENTS},
        bare_heads=[head(DOCUMENTATION_WRITER.preamble)],
    )


class ClusterWarmer:
    """A `PromptWarmer`: in each engine replica, as much as its cache can take beside what is in use."""

    def __init__(self, source: PromptSource, engine: EngineHandle, settings: Settings) -> None:
        self._source = source
        self._engine = engine
        self._settings = settings

    async def warm(self, scope: Scope) -> Warmed:
        """See `PromptWarmer`."""
        info = await self._engine.describe()
        hottest = await self._source.hottest(scope.tenant, scope.collection)
        wanted = [*self._source.preambles([scope.tenant]), *hottest]
        planned = plan(wanted, _budget_tokens(self._settings, info), info.max_model_len - 1)
        prompts = [(prompt.prompt, prompt.layout) for prompt in planned]
        return await self._engine.warm(self._source.salt_of(scope.tenant), prompts, self._settings.warm_up_s)


def _budget_tokens(settings: Settings, info: EngineInfo) -> int:
    return info.kv_cache_tokens // 2 if settings.warm_up_tokens is None else settings.warm_up_tokens


async def warm_prompts(
    settings: Settings, token_cache: Any, secret: bytes, info: EngineInfo
) -> list[WarmPrompt]:
    """What a new replica of this engine prefills, within its budget.

    `token_cache` is its deployment's handle. Raises Unavailable, ConfigurationError.
    """
    bundle = await TokenCacheHandle(token_cache).bundle()
    link = await redis_link(settings)
    try:
        wanted = await prompt_source(link, bundle, secret).most_wanted()
    finally:
        with suppress(CacheUnavailable):  # what was asked for is here
            await link.close()
    return plan(wanted, _budget_tokens(settings, info), info.max_model_len - 1)
