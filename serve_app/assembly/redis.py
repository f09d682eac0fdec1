"""The Redis of this application: the configured one, or this host's embedded server."""

from __future__ import annotations

from deployments.token_cache.connection import RedisLink
from deployments.token_cache.embedded_server import EmbeddedRedis
from serve_app.settings import Settings


def redis_link(settings: Settings) -> RedisLink:
    """A link for this process. Raises ConfigurationError on a bad URL, or when no server can run."""
    return RedisLink(
        _url(settings),
        pool_size=settings.redis_connection_pool_size,
        timeout_s=settings.redis_timeout_ms / 1000,
    )


def _url(settings: Settings) -> str:
    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value()
    # The share that this takes in the server is an open file: it lasts until the process ends.
    return EmbeddedRedis(settings.state_dir).acquire()
