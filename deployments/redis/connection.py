"""Calls to Redis: the only part of this floor that stores need, whatever the topology of the servers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol

from deployments.core.errors import ConfigurationError
from deployments.core.metrics import REDIS_S, SILENT, Meter
from deployments.redis.address import Node, RedisAddress, Topology
from deployments.redis.cluster import RedisCluster
from deployments.redis.pools import pool_of
from deployments.redis.replies import WRONG_TYPE, Command, Failure, Reply, expect, parsed
from deployments.redis.server import RedisServer

__all__ = ["UNANSWERED", "WRONG_TYPE", "Command", "RedisLink", "RedisShard", "Reply", "expect", "parsed"]


class Unanswered(Enum):
    """What `read` has for a command whose server failed."""

    UNANSWERED = "unanswered"


UNANSWERED = Unanswered.UNANSWERED

_PATIENCE_S = 1.0


class Servers(Protocol):
    """One server, or the servers of a cluster."""

    is_cluster: bool
    """Whether several servers share the keys, so that a command can have those of one slot only."""

    async def send(self, commands: Sequence[Command], until_s: float) -> list[Reply]:
        """Replies in the order of the commands, or a `Failure` for a command, at `until_s` at the latest."""

    async def shards(self, until_s: float) -> list[RedisServer]:
        """The servers, each with a part of the keys. Raises CacheUnavailable."""

    async def close(self) -> None:
        """Closes the connections. Raises CacheUnavailable."""


class RedisShard:
    """A server that has a part of the keys, or all."""

    def __init__(self, servers: Servers, limit_s: float, clock: Callable[[], float], meter: Meter) -> None:
        """`limit_s` limits one call. `clock` gives seconds to `meter`, which gets the time of each call."""
        self._servers = servers
        self._limit_s = limit_s
        self._clock = clock
        self._meter = meter

    async def call(self, *commands: Command) -> list[Reply]:
        """Sends the commands in one round trip (no transaction); returns the replies in the same order.

        In a cluster, this is one round trip to each server that has a key, to all at once. A WRONGTYPE reply
        becomes WRONG_TYPE. Raises only CacheUnavailable: when a server does not answer in time, or refuses a
        command.
        """
        replies = await self._replies(commands)
        for reply in replies:
            if isinstance(reply, Failure):
                raise reply.error
        return replies

    async def read(self, *commands: Command) -> list[Reply]:
        """As `call`, but the reply to a command whose server failed is UNANSWERED.

        Raises CacheUnavailable if no server answered.
        """
        replies = await self._replies(commands)
        failures = [reply for reply in replies if isinstance(reply, Failure)]
        if failures and len(failures) == len(replies):
            raise failures[0].error
        if failures:
            return [UNANSWERED if isinstance(reply, Failure) else reply for reply in replies]
        return replies

    async def values(self, names: Sequence[str]) -> list[Reply]:
        """The strings of keys; None for one that is not there, UNANSWERED where its server failed.

        Raises CacheUnavailable if no server answered.
        """
        if self._servers.is_cluster:
            return await self.read(*(("GET", name) for name in names))
        # One command, because redis-py takes 13 us for each reply, and 5 us for a further value in one.
        (values,) = await self.call(("MGET", *names))
        return expect(list, values)

    async def _replies(self, commands: Sequence[Command]) -> list[Reply]:
        began_s, outcome = self._clock(), "failed"
        try:
            replies = await self._servers.send(commands, self._until_s())
            failures = (reply.outcome for reply in replies if isinstance(reply, Failure))
            outcome = next(failures, "ok")
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            self._meter.record(REDIS_S, self._clock() - began_s, outcome=outcome)
        return replies

    def _until_s(self) -> float:
        return asyncio.get_running_loop().time() + self._limit_s


class RedisLink(RedisShard):
    """Connections to the server or servers of a URL."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        timeout_s: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
        meter: Meter = SILENT,
    ) -> None:
        """Opens no connection yet.

        `url` has one of the forms in `address.py`.
        `pool_size` is the largest number of connections to each server.
        `timeout_s` limits connecting, waiting for a reply, and waiting for a free connection; a whole
        call takes at most three times as long.
        `clock` gives seconds to the circuit breakers and to `meter`, which gets the time of each call.
        Raises ConfigurationError on a bad URL.
        """
        super().__init__(_servers(url, pool_size, timeout_s, clock), 3 * timeout_s, clock, meter)
        self._url = url
        self._patient: list[RedisLink] = []

    def patient(self) -> RedisLink:
        """Another link to the same servers: one connection to each, longer waiting, and own circuit breakers.

        It is for background work, whose failures must not make requests do without the servers. It is
        closed with this link.
        """
        link = RedisLink(self._url, pool_size=1, timeout_s=_PATIENCE_S, clock=self._clock, meter=self._meter)
        self._patient.append(link)
        return link

    async def shards(self) -> list[RedisShard]:
        """The servers, each with a part of the keys: for SCAN, INFO and other commands without a key.

        Raises CacheUnavailable.
        """
        servers = await self._servers.shards(self._until_s())
        return [RedisShard(server, self._limit_s, self._clock, self._meter) for server in servers]

    async def close(self) -> None:
        """Closes the connections. Raises CacheUnavailable."""
        for link in self._patient:
            await link.close()
        await self._servers.close()


def _servers(url: str, pool_size: int, timeout_s: float, clock: Callable[[], float]) -> Servers:
    try:
        address = RedisAddress.parse(url)
    except ValueError as error:
        raise ConfigurationError(f"REDIS_URL {error}", "REDIS_URL") from None

    def server(node: Node | None) -> RedisServer:
        name = "the token cache" if node is None else f"the token cache's server {node[0]}:{node[1]}"
        return RedisServer(pool_of(address, node, pool_size, timeout_s), clock, name)

    if address.topology is Topology.CLUSTER:
        return RedisCluster(address.nodes, server, 3 * timeout_s, clock)
    return server(None)
