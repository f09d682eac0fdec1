"""How an address becomes a pool of redis-py's connections. All limits are this application's own."""

from __future__ import annotations

from typing import Any

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from deployments.core.errors import ConfigurationError
from deployments.redis.address import Node, RedisAddress, Topology


class MasterPool(SentinelConnectionPool, BlockingConnectionPool):
    """Connections to the master that the Sentinels name when a connection opens."""


def pool_of(address: RedisAddress, node: Node | None, size: int, timeout_s: float) -> BlockingConnectionPool:
    """A pool of at most `size` connections, none of which is open yet.

    `node` is the server of a cluster; None if the address leads to one server. `timeout_s` limits connecting,
    waiting for a reply, and waiting for a free connection. Raises ConfigurationError if redis-py refuses an
    option of the URL.
    """
    try:
        pool = _pool(address, node, size, timeout_s)
        # Created but not opened: an unknown option or a missing TLS file raises now, not at a call.
        probe = pool.make_connection()  # type: ignore[no-untyped-call]  # unannotated there
        if (tls := getattr(probe, "ssl_context", None)) is not None:
            tls.get()
    except (ValueError, TypeError, OSError, RedisError) as error:
        # The error is not chained: it may quote the URL, and the URL may hold a password.
        raise ConfigurationError(f"REDIS_URL cannot be used: {type(error).__name__}", "REDIS_URL") from None
    return pool


def _pool(address: RedisAddress, node: Node | None, size: int, timeout_s: float) -> BlockingConnectionPool:
    limits: dict[str, Any] = {
        "max_connections": size,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),  # redis-py reports a dead server at once, not after four seconds
        "decode_responses": False,
        "protocol": 2,  # no HELLO and no notifications: saves a round trip per new connection
        "driver_info": None,  # CLIENT SETINFO came with Redis 7.2
    }
    options: dict[str, Any] = {**parse_url(address.plain_url), **limits}
    if address.topology is Topology.SENTINEL:
        return _master_pool(address, options, limits, timeout_s)
    if node is not None:
        options |= {"host": node[0], "port": node[1]}
    return BlockingConnectionPool(**{**options, "timeout": timeout_s})


def _master_pool(
    address: RedisAddress, options: dict[str, Any], limits: dict[str, Any], timeout_s: float
) -> MasterPool:
    for of_one_server in ("host", "port"):
        options.pop(of_one_server, None)
    login = {name: options.pop(f"sentinel_{name}", None) for name in ("username", "password")}
    tls = {name: value for name, value in options.items() if name.startswith("ssl_")}
    tls["ssl"] = options.pop("connection_class", None) is SSLConnection
    of_sentinels = {**limits, **login, **tls}
    sentinels = Sentinel(address.nodes, sentinel_kwargs=of_sentinels)  # type: ignore[no-untyped-call]
    of_master = {**options, "timeout": timeout_s, "ssl": tls["ssl"]}
    return MasterPool(address.master, sentinels, **of_master)  # type: ignore[no-untyped-call]
