"""A Redis Cluster: each command goes to the server that has its key, to all servers at once.

redis-py's own cluster client is not used. After an error, its pipeline closes the connections to all servers
and sleeps for 0.25 s, and it refuses a call when all connections are in use. Here a server that fails has a
circuit breaker of its own, and calls to the others go on.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

from deployments.core.detached_task import detached_task
from deployments.core.errors import CacheUnavailable
from deployments.redis.address import Node
from deployments.redis.replies import Command, Failure, Reply, parsed
from deployments.redis.server import RedisServer
from deployments.redis.slots import SlotMap

_READ_EVERY_S = 1.0
"""The shortest time between two readings of the map of slots."""


class RedisCluster:
    """The servers of a cluster, by the slots of their keys. Belongs to one event loop.

    The map of slots is read at the first call, and again in the background after a server failed or
    redirected a command.
    """

    is_cluster = True

    def __init__(
        self,
        seeds: Sequence[Node],
        open_server: Callable[[Node], RedisServer],
        limit_s: float,
        clock: Callable[[], float],
    ) -> None:
        """Opens no connection yet.

        `seeds` are servers that know the others.
        `open_server` makes the connections to a server.
        `limit_s` limits how long one server is asked for the map.
        `clock` gives seconds.
        """
        self._seeds = seeds
        self._open_server = open_server
        self._limit_s = limit_s
        self._clock = clock
        self._servers = {seed: open_server(seed) for seed in seeds}
        self._map = SlotMap((), ())
        """Has no slots until it is read."""
        self._reading: asyncio.Task[None] | None = None
        self._read_at_s = clock() - _READ_EVERY_S
        self._problem = ""
        """Why the map could not be read."""

    async def send(self, commands: Sequence[Command], until_s: float) -> list[Reply]:
        """As `RedisServer.send`, with all servers at once. Commands on one key keep their order."""
        if not self._map.owners:
            try:
                await self._map_read(until_s)
            except CacheUnavailable as error:
                return [Failure("failed", error)] * len(commands)
        replies = await self._send_to(self._map.routes(commands), commands, until_s)
        redirected = _redirected(replies)
        if redirected:
            replies |= await self._send_to(redirected, commands, until_s, asking=True)
        unserved = Failure("failed", CacheUnavailable("no server of the token cache has this key now"))
        found = [replies.get(number, unserved) for number in range(len(commands))]
        if redirected or any(isinstance(reply, Failure) for reply in found):
            self._start_reading()
        return found

    async def shards(self, until_s: float) -> list[RedisServer]:
        """The primaries, by a map that is at most a second old. Raises CacheUnavailable."""
        await self._map_read(until_s)
        return [self._server(node) for node in self._map.primaries]

    async def close(self) -> None:
        """Closes all connections. Raises CacheUnavailable."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        for server in self._servers.values():
            await server.close()

    async def _send_to(
        self,
        routes: Mapping[Node, Sequence[int]],
        commands: Sequence[Command],
        until_s: float,
        *,
        asking: bool = False,
    ) -> dict[int, Reply]:
        """Sends each server the commands with its numbers; returns the replies by number.

        With `asking`, a server also answers for a slot that it is about to take over.
        """
        before: Sequence[Command] = [("ASKING",)] if asking else []

        async def send(node: Node, numbers: Sequence[int]) -> dict[int, Reply]:
            sent = [part for number in numbers for part in (*before, commands[number])]
            replies = await self._server(node).send(sent, until_s)
            return dict(zip(numbers, replies[len(before) :: 1 + len(before)], strict=True))

        answers = await asyncio.gather(*(send(*route) for route in routes.items()))
        return {number: reply for answer in answers for number, reply in answer.items()}

    async def _map_read(self, until_s: float) -> None:
        """Reads the map, if it was not read within the last second. Raises CacheUnavailable."""
        self._start_reading()
        if self._reading is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until_s):
                    await asyncio.shield(self._reading)
        if not self._map.owners:
            raise CacheUnavailable(f"the token cache's cluster cannot be reached: {self._problem}")

    def _start_reading(self) -> None:
        running = self._reading is not None and not self._reading.done()
        if not running and self._clock() - self._read_at_s >= _READ_EVERY_S:
            self._read_at_s = self._clock()
            self._reading = detached_task(self._read_map())

    async def _read_map(self) -> None:
        """Asks one server after the other, in any order: one that is cut off may have an old map."""
        nodes = list({*self._seeds, *self._map.nodes})
        random.shuffle(nodes)
        for node in nodes:
            until_s = asyncio.get_running_loop().time() + self._limit_s
            (reply,) = await self._server(node).send([("CLUSTER", "SLOTS")], until_s)
            try:
                if isinstance(reply, Failure):
                    raise reply.error
                self._map = parsed(partial(SlotMap.parse, asked_host=node[0]), reply)
            except CacheUnavailable as error:
                self._problem = str(error)
            else:
                await self._close_removed()
                return

    async def _close_removed(self) -> None:
        for node in self._servers.keys() - {*self._map.nodes, *self._seeds}:
            with suppress(CacheUnavailable):
                await self._servers.pop(node).close()

    def _server(self, node: Node) -> RedisServer:
        if node not in self._servers:
            self._servers[node] = self._open_server(node)
        return self._servers[node]


def _redirected(replies: Mapping[int, Reply]) -> dict[Node, list[int]]:
    """The numbers of the commands that a server redirected to another one."""
    routes: dict[Node, list[int]] = defaultdict(list)
    for number, reply in replies.items():
        if isinstance(reply, Failure) and reply.elsewhere is not None:
            routes[reply.elsewhere].append(number)
    return routes
