"""Checks of Redis and of the database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deployments.core.errors import WarmlineError
from deployments.database.inspection import inspect
from deployments.redis.connection import RedisLink, expect
from serve_app.assembly.knowledge import database_url
from serve_app.doctor.finding import Check, Finding, fail, ok, warn
from serve_app.settings import Settings
from serve_app.setup.bootstrap import GIB

_OLDEST_REDIS = (6, 2)
_EVICTING = ("volatile-", "allkeys-")


def checks(settings: Settings) -> list[tuple[str, Check]]:
    """The checks of what is stored where."""
    return [("redis", lambda: redis(settings)), ("database", lambda: database(settings))]


async def redis(settings: Settings) -> Finding:
    """Whether the configured Redis answers, is new enough and evicts what is old."""
    if settings.redis_url is None:
        return ok("redis", "the embedded server, which runs while the application does")
    try:
        link = RedisLink(settings.redis_url.get_secret_value()).patient()
        try:
            (reply,) = await link.call(("INFO",))
        finally:
            await link.close()
        return redis_finding(expect(dict, reply))
    except WarmlineError as error:
        return fail("redis", str(error), "start it, or correct REDIS_URL; unset it for the embedded server")


def redis_finding(info: dict[str, Any]) -> Finding:
    """What a server's INFO says."""
    version = str(info.get("redis_version", "0"))
    limit, policy = int(info.get("maxmemory", 0)), str(info.get("maxmemory_policy", ""))
    found = f"{version}, maxmemory {limit / GIB:.1f} GiB, {policy}"
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < _OLDEST_REDIS:
        return fail("redis", found, "update it to Redis 6.2 or later")
    if not limit:
        return warn("redis", found, "set maxmemory, or the cache grows until the machine has no memory")
    if not policy.startswith(_EVICTING):
        return warn("redis", found, "set maxmemory-policy to volatile-lfu, or a full cache takes nothing new")
    return ok("redis", found)


async def database(settings: Settings) -> Finding:
    """Whether the database answers, and has this version's tables."""
    url = database_url(settings)
    if not settings.on_postgresql and not _exists(url):
        return ok("database", "will be made at the first start")
    try:
        found = await inspect(url)
    except WarmlineError as error:
        return fail("database", str(error), "start it, or correct DATABASE_URL")
    text = f"{found.dialect}, revision {found.revision or 'none'}"
    if found.revision == found.newest:
        return ok("database", text)
    if found.known:
        return warn(
            "database", f"{text}; {found.newest} is the newest", "nothing to do: the next start migrates it"
        )
    return fail(
        "database", f"{text}, which a newer Warmline made", "update Warmline, or restore an older backup"
    )


def _exists(url: str) -> bool:
    return Path(url.removeprefix("sqlite:///")).exists()
