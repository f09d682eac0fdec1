"""How prompts begin, in Redis: a sorted set of paths for each scope, and one sorted set of the scopes.

They never expire; this module limits their size.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from heapq import nlargest

from deployments.core.counted_use import HotPath
from deployments.core.errors import CacheUnavailable, InvalidRequest
from deployments.core.ids import Scope, SegmentKey, TenantId, collection_name, tenant_id
from deployments.redis.connection import WRONG_TYPE, Command, RedisLink, Reply, expect, parsed
from deployments.redis.walking import unlinked
from deployments.token_cache.counters import trim_above
from deployments.token_cache.keys import PATH_SCOPES, paths_name
from deployments.token_cache.path_scores import (
    KEPT_PATHS,
    KEPT_SCOPES,
    pack_path,
    renamed_path,
    unpack_path,
    weight,
)

READ_SCOPES = 64
"""`hottest` reads the paths of this many scopes, the hottest ones."""


class RedisHotPaths:
    """Implements `HotPaths`. All methods raise CacheUnavailable.

    `kept` paths of a scope and `kept_scopes` scopes survive a trim.
    `clock` gives Unix seconds; the clocks of all hosts must agree within minutes.
    """

    def __init__(
        self,
        link: RedisLink,
        *,
        kept: int = KEPT_PATHS,
        kept_scopes: int = KEPT_SCOPES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._link = link
        self._kept = kept
        self._kept_scopes = kept_scopes
        self._clock = clock

    async def record(self, paths: Mapping[Scope, Sequence[tuple[SegmentKey, ...]]]) -> None:
        """Counts prompts by their paths, and trims sets that are too large."""
        counted = {scope: Counter(map(pack_path, filter(None, found))) for scope, found in paths.items()}
        additions: list[Command] = []
        by = weight(self._clock())
        for scope, uses in counted.items():
            additions += [("ZINCRBY", paths_name(scope), by * count, path) for path, count in uses.items()]
            if uses:
                additions += [("ZINCRBY", PATH_SCOPES, by * uses.total(), str(scope))]
        if not additions:
            return
        names = [*map(paths_name, counted), PATH_SCOPES]
        replies = await self._call(*additions, *(("ZCARD", name) for name in names))
        *sizes, scopes = (expect(int, reply) for reply in replies[len(additions) :])
        large = [name for name, size in zip(names, sizes, strict=False) if size > trim_above(self._kept)]
        if large:
            await self._call(*(("ZREMRANGEBYRANK", name, 0, -self._kept - 1) for name in large))
        if scopes > trim_above(self._kept_scopes):
            await self._delete_coldest_scopes()

    async def hottest(self, limit: int, tenant: TenantId | None = None) -> list[HotPath]:
        """Returns at most `limit` paths of one tenant or all, hottest first."""
        scopes = await self._scopes(tenant)
        if not scopes or limit < 1:
            return []
        reads = [("ZREVRANGE", paths_name(scope), 0, limit - 1, "WITHSCORES") for scope in scopes]
        now = weight(self._clock())
        found: list[HotPath] = []
        for scope, reply in zip(scopes, await self._call(*reads), strict=True):
            for path, score in parsed(_scored, reply):
                keys = unpack_path(path)
                if keys is not None:
                    found.append(HotPath(scope, keys, score / now))
        return nlargest(limit, found, key=lambda path: path.heat)

    async def replace(self, scope: Scope, successors: Mapping[SegmentKey, SegmentKey]) -> None:
        """Moves scores from paths with old segments to paths with new ones."""
        name = paths_name(scope)
        (reply,) = await self._call(("ZRANGE", name, 0, -1, "WITHSCORES"))
        commands: list[Command] = []
        for path, score in parsed(_scored, reply):
            renamed = renamed_path(path, successors)
            if renamed is not None:
                commands += [("ZINCRBY", name, score, renamed), ("ZREM", name, path)]
        if commands:
            await self._call(*commands)

    async def _scopes(self, tenant: TenantId | None) -> list[Scope]:
        """Returns the hottest scopes, of one tenant or all, hottest first."""
        (reply,) = await self._call(("ZREVRANGE", PATH_SCOPES, 0, -1))
        scopes = [scope for raw in expect(list, reply) if (scope := _scope(raw)) is not None]
        return [scope for scope in scopes if tenant in (None, scope.tenant)][:READ_SCOPES]

    async def _delete_coldest_scopes(self) -> None:
        (reply,) = await self._call(("ZRANGE", PATH_SCOPES, 0, -self._kept_scopes - 1))
        coldest = expect(list, reply)
        names = [paths_name(scope) for raw in coldest if (scope := _scope(raw)) is not None]
        await self._call(("ZREM", PATH_SCOPES, *coldest), *(("UNLINK", name) for name in names))

    async def _call(self, *commands: Command) -> list[Reply]:
        """Sends the commands in one round trip. Deletes keys of the wrong type, then raises."""
        replies = await self._link.call(*commands)
        sent = zip(commands, replies, strict=True)
        wrong = list({str(command[1]) for command, reply in sent if reply is WRONG_TYPE})
        if wrong:
            await unlinked(self._link, wrong)
            raise CacheUnavailable("hot paths in Redis were of the wrong type and were deleted")
        return replies


def _scope(raw: bytes) -> Scope | None:
    """Parses the name of a scope; None if this application did not write it."""
    tenant, _, collection = raw.decode(errors="replace").partition("/")
    try:
        return Scope(tenant_id(tenant), collection_name(collection))
    except InvalidRequest:
        return None


def _scored(flat: Sequence[bytes]) -> list[tuple[bytes, float]]:
    return [(path, float(score)) for path, score in zip(flat[::2], flat[1::2], strict=True)]
