"""A Redis server in memory, and a link to it on which commands and replies are late or lost.

It knows the commands that the simulated stores use. Scripts are written out in Python here; contract tests
run the real ones on a real server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from deployments.core.errors import CacheUnavailable
from deployments.redis.breaker import CircuitBreaker
from deployments.redis.connection import WRONG_TYPE, Command, RedisLink, RedisShard, Reply, expect
from deployments.retrieval import retrieval_store
from deployments.token_cache import counters
from tests.simulation.processes import Dice

TIMEOUT_S = 0.3
"""After this long, the caller of a command gives up."""
EVICTED = ("warmline:seg:*", "warmline:ret:*")
"""What a full server may lose."""

Hash = dict[str, bytes]


class MemoryRedis:
    """The server. `clock` gives seconds; nothing answers while it is `down`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.down = False
        self._clock = clock
        self._values: dict[str, bytes | Hash] = {}
        self._expires_s: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._values)

    def run(self, command: Command) -> Reply:
        """The reply to a command."""
        name, *arguments = command
        run: Callable[..., Reply] = getattr(self, f"_{str(name).lower()}")
        return run(*arguments)

    def lose(self, dice: Dice, share: float) -> None:
        """Evicts a share of what may be evicted."""
        for name in self._evictable():
            if dice.random() < share:
                self._unlink(name)

    def damage(self, dice: Dice) -> None:
        """Changes one byte of an entry, or replaces the entry by one of another type."""
        names = self._evictable()
        if not names:
            return
        name = dice.choice(names)
        value = self._values[name]
        if dice.random() < 0.2:
            self._values[name] = {} if isinstance(value, bytes) else b"another type"
        elif isinstance(value, bytes):
            self._values[name] = _damaged(value, dice)
        elif fields := [field for field in value if field]:
            field = dice.choice(fields)
            value[field] = _damaged(value[field], dice)

    def counter(self, name: str, field: str) -> float:
        """The value of a counter."""
        found = self._values.get(name)
        return float(found.get(field, b"0")) if isinstance(found, dict) else 0.0

    def _evictable(self) -> list[str]:
        return [name for name in self._values if any(fnmatchcase(name, each) for each in EVICTED)]

    def _read(self, name: str | bytes) -> bytes | Hash | None:
        name = _text(name)
        if self._expires_s.get(name, float("inf")) <= self._clock():
            self._unlink(name)
        return self._values.get(name)

    def _expire(self, name: str | bytes, after_s: float) -> None:
        self._expires_s[_text(name)] = self._clock() + float(after_s)

    def _get(self, name: str) -> Reply:
        value = self._read(name)
        return WRONG_TYPE if isinstance(value, dict) else value

    def _mget(self, *names: str) -> Reply:
        values = map(self._read, names)
        return [None if isinstance(value, dict) else value for value in values]

    def _info(self, _section: str) -> Reply:
        return {"master_replid": "", "master_repl_offset": 0}

    def _set(self, name: str, value: bytes | str | int, _ex: str, after_s: float) -> Reply:
        self._values[name] = value if isinstance(value, bytes) else str(value).encode()
        self._expire(name, after_s)
        return b"OK"

    def _unlink(self, *names: str | bytes) -> Reply:
        for name in names:
            self._expires_s.pop(_text(name), None)
        return sum(self._values.pop(_text(name), None) is not None for name in names)

    def _scan(self, _cursor: int, _match: str, pattern: str, _count: str, _batch: int) -> Reply:
        found = [name for name in list(self._values) if fnmatchcase(name, pattern)]
        return 0, [name.encode() for name in found if self._read(name) is not None]

    def _hget(self, name: str, field: str) -> Reply:
        value = self._read(name)
        return value.get(field) if isinstance(value, dict) else value if value is None else WRONG_TYPE

    def _hdel(self, name: str, field: str) -> Reply:
        value = self._read(name)
        return int(isinstance(value, dict) and value.pop(field, None) is not None)

    def _eval(self, script: str, keys: int, *values: Any) -> Reply:
        scripts: dict[str, Callable[..., Reply]] = {
            retrieval_store._PUT: self._put,
            retrieval_store._FORGET: self._forget,
            counters._ADD_ONCE: self._add_once,
        }
        return scripts[script](*map(_text, values[:keys]), *values[keys:])

    def _known(self, name: str) -> int:
        value = self._read(name)
        return int(value.get("", b"-1")) if isinstance(value, dict) else -1

    def _put(self, name: str, generation: int, field: str, entry: bytes, ttl_s: int, _most: int) -> Reply:
        known, value = self._known(name), self._read(name)
        if generation < known:
            return 0
        if generation > known or not isinstance(value, dict):
            value = self._values[name] = {"": str(generation).encode()}
            self._expires_s.pop(name, None)
        value[field] = entry
        left_s = self._expires_s.get(name, float("-inf")) - self._clock()
        if left_s < ttl_s:
            self._expire(name, ttl_s)
        return 1

    def _forget(self, name: str, generation: int, kept_s: int) -> Reply:
        known, value = self._known(name), self._read(name)
        if 0 <= generation <= known:
            return 0
        entries = len(value.keys() - {""}) if isinstance(value, dict) else int(value is not None)
        self._values[name] = {"": str(max(known, generation)).encode()}
        self._expire(name, kept_s)
        return entries

    def _add_once(
        self,
        name: str,
        counted: str,
        _add: str,
        _read: str,
        number: int,
        number_ttl_s: int,
        _ttl: int,
        *pairs: Any,
    ) -> Reply:
        value = self._values.setdefault(name, {})
        before = self._read(counted)
        assert isinstance(value, dict)
        if pairs and int(before if isinstance(before, bytes) else 0) < number:
            for field, by in zip(pairs[::2], pairs[1::2], strict=True):
                value[field] = str(float(value.get(field, b"0")) + by).encode()
            self._set(counted, number, "EX", number_ttl_s)
        return [part for field, total in value.items() for part in (field.encode(), total)]


class SimulatedLink(RedisLink):
    """A `RedisLink` of one process to a `MemoryRedis`. A command may run after its caller has given up."""

    def __init__(self, server: MemoryRedis, dice: Dice, clock: Callable[[], float]) -> None:
        self._server = server
        self._dice = dice
        self.breaker = CircuitBreaker(clock=clock)

    async def call(self, *commands: Command) -> list[Reply]:
        """As `RedisLink.call`."""
        with self.breaker.call():
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    await self._dice.pause(0.001)
                    if self._server.down or self._dice.fails(0.01):
                        await asyncio.Event().wait()
                    if self._dice.fails(0.02):
                        late_s = self._dice.random() * 20
                        asyncio.get_running_loop().call_later(late_s, self._run, commands)
                        await asyncio.Event().wait()
                    replies = self._run(commands)
                    if self._dice.fails(0.02):
                        await asyncio.Event().wait()
                    return replies
            except TimeoutError as error:
                raise CacheUnavailable("the token cache does not answer (TimeoutError)") from error

    async def read(self, *commands: Command) -> list[Reply]:
        """As `call`: there is one server."""
        return await self.call(*commands)

    async def values(self, names: Sequence[str]) -> list[Reply]:
        """As `RedisLink.values`."""
        (values,) = await self.call(("MGET", *names))
        return expect(list, values)

    async def shards(self) -> list[RedisShard]:
        """This link, to the only server."""
        return [self]

    def _run(self, commands: Sequence[Command]) -> list[Reply]:
        return [None if self._server.down else self._server.run(command) for command in commands]

    def patient(self) -> RedisLink:
        """This link."""
        return self

    async def close(self) -> None:
        """Does nothing."""


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _damaged(value: bytes, dice: Dice) -> bytes:
    where = dice.randrange(len(value))
    return value[:where] + bytes([value[where] ^ (1 << dice.randrange(8))]) + value[where + 1 :]
