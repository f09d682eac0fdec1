"""A call whose replica's host is lost fails soon, and one that only takes long does not."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc  # type: ignore[import-untyped]
import pytest
from ray._private import grpc_utils
from ray.serve._private import replica
from ray.serve._private.request_router import replica_wrapper

from serve_app.lost_hosts import CALLER, REPLICA

_QUICK_MS = 200
"""Replaces the milliseconds of the options, so that the test takes a second."""


def _quick(options: tuple[tuple[str, int], ...]) -> list[tuple[str, int]]:
    return [(name, min(value, _QUICK_MS)) for name, value in options]


class Relay:
    """Passes bytes between a caller and a replica, until it is lost as a host is: with open connections."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()

    @asynccontextmanager
    async def before(self, port: int) -> AsyncIterator[int]:
        """Listens on another port; gives it."""

        async def passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while (data := await reader.read(65536)) and not self.lost.is_set():
                writer.write(data)
            await asyncio.sleep(60)  # neither answers nor closes

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            other_reader, other_writer = await asyncio.open_connection("127.0.0.1", port)
            writers.extend((writer, other_writer))
            both_ways = ((reader, other_writer), (other_reader, writer))
            tasks.extend(asyncio.create_task(passed(*ends)) for ends in both_ways)

        tasks: list[asyncio.Task[None]] = []
        writers: list[asyncio.StreamWriter] = []
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        yield server.sockets[0].getsockname()[1]
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.close()


async def test_only_a_lost_host_ends_a_call():
    """Serve's channel and server with this module's options."""

    async def answer(request: bytes, _context: object) -> bytes:
        await asyncio.sleep(float(request))
        return b"answer"

    server = grpc.aio.server(options=_quick(REPLICA))
    method = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("Replica", {"call": method}),))
    port, relay = server.add_insecure_port("127.0.0.1:0"), Relay()
    await server.start()
    async with relay.before(port) as own_port:
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{own_port}", options=_quick(CALLER))
        call = channel.unary_unary("/Replica/call")
        assert await call(b"1.5") == b"answer"  # in which it pings seven times
        began_s = time.monotonic()
        waiting = asyncio.ensure_future(call(b"60"))
        await asyncio.sleep(0.1)
        relay.lost.set()
        with pytest.raises(grpc.aio.AioRpcError, match="ping timeout"):
            await waiting
        assert time.monotonic() - began_s < 5
        await channel.close()
    await server.stop(None)


def test_serve_makes_its_channels_and_servers_by_what_is_replaced():
    """In other words than these, the options would not reach them."""
    for module, name in (
        (replica_wrapper, "init_grpc_channel"),
        (replica, "create_grpc_server_with_interceptors"),
    ):
        made = inspect.getsource(module).partition(f"{name}(")[2][:600]
        assert "options=[" in made
        assert "asynchronous=True" in made
        assert getattr(grpc_utils, name).__closure__, "importing serve_app.lost_hosts replaces it"
