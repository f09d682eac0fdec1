"""Selects prompts to prefill before requests need them: most wanted first, within a budget of tokens."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from deployments.core.counted_use import HotPath
from deployments.core.errors import CacheUnavailable
from deployments.core.ids import DEFAULT_TENANT, CollectionName, Scope, SegmentKey, TenantId
from deployments.core.messages import EngineInfo
from deployments.core.ports import HotPaths
from deployments.core.reuse.paths import SegmentId, Step, ids_segment, pack_steps, segment_id
from deployments.core.salt import Salts, salt_scope
from deployments.core.token_ids import TokenIds, join, to_bytes

log = logging.getLogger(__name__)

HOT_PATHS = 256
"""How many hot paths to read. A KV cache of 46,000 tokens holds about fifty."""

StoredSegments: TypeAlias = (
    "Callable[[Scope, Sequence[SegmentKey]], Awaitable[tuple[Mapping[SegmentKey, TokenIds], int]]]"
)
"""Reads segments' ids from the shared store; also returns how many were damaged.

Raises CacheUnavailable.
"""


@dataclass(frozen=True, slots=True)
class WarmPrompt:
    """A prefix of prompts, to be prefilled."""

    salt: str
    """The cache salt of the prompts' tenant."""
    segments: tuple[tuple[SegmentId, TokenIds], ...]
    """Names and token ids of the segments, in order."""

    @property
    def tokens(self) -> int:
        """The length of the prefix in tokens."""
        return sum(len(ids) for _, ids in self.segments)

    @property
    def prompt(self) -> bytes:
        """The ids of the prefix, as in a `GenerateRequest`."""
        return to_bytes(join(ids for _, ids in self.segments))

    @property
    def layout(self) -> bytes:
        """The layout of the prefix, as in a `GenerateRequest`."""
        return pack_steps([Step(name, len(ids)) for name, ids in self.segments])


@dataclass(frozen=True, slots=True)
class PromptSource:
    """Knows how the cluster's prompts begin."""

    paths: HotPaths
    """How often prompts began with which documents."""
    stored: StoredSegments
    """Reads the documents' token ids."""
    salts: Salts
    heads: Mapping[CollectionName, TokenIds]
    """The ids that open the prompts of the agent that reads this collection."""
    bare_heads: Sequence[TokenIds] = ()
    """The ids that open prompts without documents."""

    async def hottest(
        self, tenant: TenantId | None = None, collection: CollectionName | None = None
    ) -> list[WarmPrompt]:
        """The hottest paths of one tenant or all, and of one collection or all, hottest first.

        Each ends before the first segment that the shared store no longer has. Raises CacheUnavailable,
        KnowledgeUnavailable.
        """
        paths = await self.paths.hottest(HOT_PATHS, tenant)
        return await self._prompts([path for path in paths if collection in (None, path.scope.collection)])

    async def preambles(self, tenants: Iterable[TenantId]) -> list[WarmPrompt]:
        """How all prompts of these tenants begin, before any document. Raises KnowledgeUnavailable."""
        heads = (*self.heads.values(), *self.bare_heads)
        salts = [await self.salts.of(salt_scope(tenant)) for tenant in tenants]
        return [WarmPrompt(salt, ((ids_segment(head), head),)) for salt in salts for head in heads]

    async def most_wanted(self) -> list[WarmPrompt]:
        """What a new replica should have in its cache, most wanted first.

        These are the default tenant's preambles, the hottest paths, and the preambles of the paths'
        tenants. If the shared store is unavailable, only the first. Raises KnowledgeUnavailable.
        """
        first = await self.preambles([DEFAULT_TENANT])
        try:
            paths = await self.paths.hottest(HOT_PATHS)
            hottest = await self._prompts(paths)
        except CacheUnavailable as error:
            log.warning("can't read the hot paths: %s", error)
            return first
        tenants = dict.fromkeys(path.scope.tenant for path in paths)
        return [*first, *hottest, *await self.preambles(tenants)]

    async def _prompts(self, paths: Sequence[HotPath]) -> list[WarmPrompt]:
        opened = [path for path in paths if path.scope.collection in self.heads]
        ids = await self._ids(opened)
        return [await self._prompt(path, ids[path.scope]) for path in opened]

    async def _ids(self, paths: Sequence[HotPath]) -> dict[Scope, Mapping[SegmentKey, TokenIds]]:
        wanted: dict[Scope, dict[SegmentKey, None]] = defaultdict(dict)
        for path in paths:
            wanted[path.scope].update(dict.fromkeys(path.keys))
        found: dict[Scope, Mapping[SegmentKey, TokenIds]] = {}
        for scope, keys in wanted.items():
            found[scope], _ = await self.stored(scope, list(keys))
        return found

    async def _prompt(self, path: HotPath, ids: Mapping[SegmentKey, TokenIds]) -> WarmPrompt:
        head = self.heads[path.scope.collection]
        segments = [(ids_segment(head), head)]
        for key in path.keys:
            if key not in ids:
                break
            segments.append((segment_id(key), ids[key]))
        return WarmPrompt(await self.salts.of(salt_scope(path.scope.tenant)), tuple(segments))


_Path: TypeAlias = tuple[str | SegmentId, ...]
"""A salt and the names of segments."""


def plan_for(info: EngineInfo, wanted: Sequence[WarmPrompt], budget_tokens: int | None) -> list[WarmPrompt]:
    """Calls `plan` with the limits of this engine. The default budget is half of its KV cache."""
    budget_tokens = info.kv_cache_tokens // 2 if budget_tokens is None else budget_tokens
    return plan(wanted, budget_tokens, info.max_model_len - 1)


def plan(wanted: Sequence[WarmPrompt], budget_tokens: int, max_prompt_tokens: int) -> list[WarmPrompt]:
    """Selects what to prefill from `wanted`, whose most wanted prompts come first.

    Prompts are cut, after whole segments, to `max_prompt_tokens` and to what is left of the budget. A
    beginning that several prompts share counts once. If one prompt continues another, only the longer
    one is returned, in the place of the one that came first.
    """
    covered: set[_Path] = set()
    planned: dict[_Path, WarmPrompt] = {}
    left = budget_tokens
    for whole in wanted:
        taken, length = 0, 0
        for path, ids in _beginnings(whole):
            length += len(ids)
            cost = 0 if path in covered else len(ids)
            if length > max_prompt_tokens or cost > left:
                break
            left -= cost
            covered.add(path)
            taken += 1
        if taken:
            planned = _with(planned, WarmPrompt(whole.salt, whole.segments[:taken]))
    return list(planned.values())


def _beginnings(prompt: WarmPrompt) -> Iterator[tuple[_Path, TokenIds]]:
    """The path to each of its segments, and the segment's ids."""
    path: _Path = (prompt.salt,)
    for name, ids in prompt.segments:
        path = (*path, name)
        yield path, ids


def _with(planned: dict[_Path, WarmPrompt], prompt: WarmPrompt) -> dict[_Path, WarmPrompt]:
    """Adds a prompt to `planned`, in which no prompt continues another."""
    path = tuple(path for path, _ in _beginnings(prompt))[-1]
    if any(other[: len(path)] == path for other in planned):
        return planned
    shorter = next((other for other in planned if path[: len(other)] == other), None)
    if shorter is None:
        return planned | {path: prompt}
    return {path if one == shorter else one: prompt if one == shorter else p for one, p in planned.items()}
