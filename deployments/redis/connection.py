"""The only module that uses redis-py: pipelined round trips with a time limit and one kind of error."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, TypeAlias, TypeVar, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from deployments.core.errors import CacheUnavailable, ConfigurationError
from deployments.core.metrics import REDIS_S, SILENT, Meter
from deployments.redis.breaker import CircuitBreaker

Command: TypeAlias = Sequence[str | bytes | int | float]
Reply: TypeAlias = object
T = TypeVar("T")


class WrongType(Enum):
    """The reply to a command on an entry of another type; the server has not failed.

    A hash field that holds no number, where a number should be added, also counts as another type.
    """

    WRONG_TYPE = "WRONGTYPE"


WRONG_TYPE = WrongType.WRONG_TYPE

_PATIENCE_S = 1.0
_ON_WRONG_TYPE = (
    WRONG_TYPE.value,
    "hash value is not a float",
    "increment would produce NaN or Infinity",
)


class RedisLink:
    """A pool of connections to one Redis server (6.2 or later), guarded by a circuit breaker."""

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

        `url` starts with redis://, rediss:// (TLS) or unix:// and may hold user and password. TLS
        options of redis-py (`?ssl_ca_certs=...`) go into its query.
        `pool_size` is the largest number of connections.
        `timeout_s` limits connecting, waiting for a reply, and waiting for a free connection; a whole
        call takes at most three times as long.
        `clock` gives seconds to the circuit breaker and to `meter`, which gets the time of each call.
        Raises ConfigurationError on a bad URL.
        """
        self._url = url
        self._clock = clock
        self._meter = meter
        self._client = Redis.from_pool(_pool(url, pool_size, timeout_s))
        self._call_timeout_s = 3 * timeout_s
        self.breaker = CircuitBreaker(clock=clock)
        self._patient: list[RedisLink] = []

    async def call(self, *commands: Command) -> list[Reply]:
        """Sends the commands in one round trip (no transaction); returns the replies in the same order.

        A WRONGTYPE reply becomes WRONG_TYPE. Raises only CacheUnavailable: when the server does not
        answer in time, or refuses a command. A refusal (OOM, READONLY, NOPERM) does not open the circuit,
        because other commands, such as reads, may still work.
        """
        began_s, outcome = self._clock(), "skipped"
        try:
            with self.breaker.call():
                outcome = "failed"
                replies = await self._round_trip(commands)
            outcome = "refused"
            accepted = [_accepted(reply) for reply in replies]
            outcome = "ok"
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            self._meter.record(REDIS_S, self._clock() - began_s, outcome=outcome)
        return accepted

    def patient(self) -> RedisLink:
        """Another link to this server: one connection, longer waiting, and a circuit breaker of its own.

        It is for background work, whose failures must not make requests do without the server. It is
        closed with this link.
        """
        link = RedisLink(self._url, pool_size=1, timeout_s=_PATIENCE_S, clock=self._clock, meter=self._meter)
        self._patient.append(link)
        return link

    async def close(self) -> None:
        """Closes the connections."""
        for link in self._patient:
            await link.close()
        try:
            await self._client.aclose()
        except (RedisError, OSError) as error:
            raise CacheUnavailable("connections to the token cache did not close in time") from error

    async def _round_trip(self, commands: Sequence[Command]) -> list[Reply]:
        try:
            async with asyncio.timeout(self._call_timeout_s):
                pipeline = self._client.pipeline(transaction=False)
                for command in commands:
                    pipeline.execute_command(*command)
                return cast(list[Reply], await pipeline.execute(raise_on_error=False))
        except Exception as error:
            # Any exception: redis-py parses the bytes that arrive, and its parser can raise anything.
            reason = f"the token cache does not answer ({type(error).__name__})"
            raise CacheUnavailable(reason) from error


def expect(kind: type[T], reply: Reply) -> T:
    """Returns the reply if it has this type. Raises CacheUnavailable otherwise: no Redis answers so."""
    if not isinstance(reply, kind):
        raise CacheUnavailable(f"the token cache answered with {type(reply).__name__}")
    return reply


def parsed(parse: Callable[[Any], T], reply: Reply) -> T:
    """Parses the reply. Raises CacheUnavailable if `parse` fails: this application did not write it."""
    try:
        return parse(reply)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise CacheUnavailable("the token cache holds an entry that cannot be read") from error


def _accepted(reply: Reply) -> Reply:
    if not isinstance(reply, Exception):
        return reply
    if isinstance(reply, ResponseError) and str(reply).startswith(_ON_WRONG_TYPE):
        return WRONG_TYPE
    raise CacheUnavailable(f"the token cache refuses ({type(reply).__name__})") from reply


def _pool(url: str, pool_size: int, timeout_s: float) -> BlockingConnectionPool:
    ours: dict[str, Any] = {
        "max_connections": pool_size,
        "timeout": timeout_s,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),  # redis-py reports a dead server at once, not after four seconds
        "decode_responses": False,
        "protocol": 2,  # no HELLO and no notifications: saves a round trip per new connection
        "driver_info": None,  # CLIENT SETINFO came with Redis 7.2
    }
    try:
        pool = BlockingConnectionPool(**{**parse_url(url), **ours})
        # Created but not opened: an unknown option or a missing TLS file raises now, not at a call.
        probe = pool.make_connection()  # type: ignore[no-untyped-call]  # unannotated there
        if (tls := getattr(probe, "ssl_context", None)) is not None:
            tls.get()
    except (ValueError, TypeError, OSError, RedisError) as error:
        # The error is not chained: it may quote the URL, and the URL may hold a password.
        raise ConfigurationError(f"REDIS_URL cannot be used: {type(error).__name__}", "REDIS_URL") from None
    return pool
