"""The Redis of this application: the configured one, or this host's embedded server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from deployments.core.metrics import SILENT, Meter
from deployments.redis.connection import RedisLink
from deployments.redis.embedded_server import EmbeddedRedis
from serve_app.settings import Settings


async def redis_link(settings: Settings, meter: Meter = SILENT) -> RedisLink:
    """A link for this process, whose calls `meter` records.

    Raises ConfigurationError on a bad URL, or if no server can run here.
    """
    link, _ = await restartable_redis_link(settings, meter)
    return link


async def restartable_redis_link(
    settings: Settings, meter: Meter = SILENT
) -> tuple[RedisLink, Callable[[], Awaitable[None]] | None]:
    """A link, and a function that starts the embedded server again if it is gone.

    The function is None if the settings name a server. This process uses the embedded server until it
    exits. `meter` records the link's calls. Raises ConfigurationError on a bad URL, or if no server can
    run here.
    """
    restart = None
    if settings.redis_url is None:
        server = EmbeddedRedis(settings.state_dir)
        url = await asyncio.to_thread(server.acquire)
        restart = server.ensure_running
    else:
        url = settings.redis_url.get_secret_value()
    link = RedisLink(
        url,
        pool_size=settings.redis_connection_pool_size,
        timeout_s=settings.redis_timeout_ms / 1000,
        meter=meter,
    )
    return link, restart
