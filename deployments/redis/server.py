"""One Redis server: pipelined round trips with a time limit, guarded by a circuit breaker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import AskError, RedisError, ResponseError

from deployments.core.errors import CacheUnavailable
from deployments.redis.address import Node
from deployments.redis.breaker import CircuitBreaker
from deployments.redis.pools import MasterPool
from deployments.redis.replies import WRONG_TYPE, Command, Failure, Reply

_ON_WRONG_TYPE = (
    WRONG_TYPE.value,
    "hash value is not a float",
    "increment would produce NaN or Infinity",
)


class RedisServer:
    """A pool of connections to one server (6.2 or later), and a circuit breaker."""

    is_cluster = False

    def __init__(self, pool: BlockingConnectionPool, clock: Callable[[], float], name: str) -> None:
        """Opens no connection yet. `clock` gives seconds. `name` is what messages call the server."""
        self._pool = pool
        self._client = Redis.from_pool(pool)
        self._name = name
        self.breaker = CircuitBreaker(clock=clock, name=name)

    async def send(self, commands: Sequence[Command], until_s: float) -> list[Reply]:
        """Sends commands in one round trip (no transaction); returns the replies in the same order.

        `until_s` is when the call ends at the latest, in seconds of the event loop's clock. A WRONGTYPE reply
        becomes WRONG_TYPE, and what failed a `Failure`. A refusal (OOM, READONLY, NOPERM) does not open the
        circuit, because other commands, such as reads, may still work.
        """
        outcome: Literal["skipped", "failed"] = "skipped"
        try:
            with self.breaker.call():
                outcome = "failed"
                replies = await self._round_trip(commands, until_s)
        except CacheUnavailable as error:
            return [Failure(outcome, error)] * len(commands)
        return [self._refusal(reply) if isinstance(reply, Exception) else reply for reply in replies]

    async def shards(self, until_s: float) -> list[RedisServer]:
        """This server alone, without asking it."""
        return [self]

    async def close(self) -> None:
        """Closes the connections. Raises CacheUnavailable."""
        try:
            await self._client.aclose()
            if isinstance(self._pool, MasterPool):
                await self._pool.sentinel_manager.aclose()
        except (RedisError, OSError) as error:
            raise CacheUnavailable("connections to the token cache did not close in time") from error

    async def _round_trip(self, commands: Sequence[Command], until_s: float) -> list[Reply]:
        try:
            async with asyncio.timeout_at(until_s):
                pipeline = self._client.pipeline(transaction=False)
                for command in commands:
                    pipeline.execute_command(*command)
                return cast(list[Reply], await pipeline.execute(raise_on_error=False))
        except Exception as error:
            # Any exception: redis-py parses the bytes that arrive, and its parser can raise anything.
            raise CacheUnavailable(f"{self._name} does not answer ({type(error).__name__})") from error

    def _refusal(self, reply: Exception) -> Reply:
        if isinstance(reply, ResponseError) and str(reply).startswith(_ON_WRONG_TYPE):
            return WRONG_TYPE
        error = CacheUnavailable(f"{self._name} refuses ({type(reply).__name__})")
        error.__cause__ = reply
        return Failure("refused", error, self._elsewhere(reply) if isinstance(reply, AskError) else None)

    def _elsewhere(self, redirection: AskError) -> Node:
        host, port = redirection.node_addr  # without a host, it is the host of this server
        return host or str(self._pool.connection_kwargs.get("host", "")), port
