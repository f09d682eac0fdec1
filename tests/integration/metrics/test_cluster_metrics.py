"""Agents that can't be read are counted and left out; the others' metrics are there, in bounded time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from serve_app.metrics import cluster_metrics
from serve_app.metrics.cluster_metrics import ClusterMetrics
from tests.integration.metrics.conftest import free_port

Address = tuple[str, int]
GOOD = b"# HELP ray_warmline_x x\n# TYPE ray_warmline_x gauge\nray_warmline_x 1\n"


class Agents:
    """Agents on free ports. `asked` lists the requests that they got."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self._servers: list[asyncio.Server] = []
        self._answering: list[asyncio.Task[None]] = []
        self._closing = asyncio.Event()

    async def start(self, body: bytes = GOOD, *, hangs: bool = False, status: str = "200 OK") -> Address:
        """An agent that answers so, or not at all."""
        answer = f"HTTP/1.1 {status}\r\nConnection: close\r\n\r\n".encode() + body

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._answering.append(asyncio.create_task(self._answer(reader, writer, answer, hangs)))

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        self._servers.append(server)
        return "127.0.0.1", server.sockets[0].getsockname()[1]

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes, hangs: bool
    ) -> None:
        self.asked.append(await reader.readuntil(b"\r\n\r\n"))
        if hangs:
            await self._closing.wait()
        writer.write(answer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def close(self) -> None:
        """Ends all of them."""
        self._closing.set()
        for server in self._servers:
            server.close()
        await asyncio.gather(*self._answering)


@pytest.fixture
async def agents() -> AsyncIterator[Agents]:
    running = Agents()
    yield running
    await running.close()


async def read(*addresses: Address) -> str:
    """The text of the agents at these addresses."""

    async def known() -> list[Address]:
        return list(addresses)

    return (await ClusterMetrics(known).text()).decode()


async def test_the_metrics_of_the_other_nodes_are_shown(agents, monkeypatch):
    """One is gone, one hangs, one sends too much, one has a fault."""
    monkeypatch.setattr(cluster_metrics, "AGENT_TIMEOUT_S", 0.5)
    monkeypatch.setattr(cluster_metrics, "MAX_AGENT_BYTES", 1000)
    text = await read(
        await agents.start(),
        ("127.0.0.1", free_port()),
        await agents.start(hangs=True),
        await agents.start(GOOD + b"#" * 2000),
        await agents.start(status="500 Internal Server Error"),
    )
    assert text.count("warmline_x 1\n") == 1
    assert 'warmline_metrics_agents{read="yes"} 1\n' in text
    assert 'warmline_metrics_agents{read="no"} 4\n' in text


async def test_many_readers_ask_the_agents_once(agents):
    """Within a second."""
    address = await agents.start()

    async def known() -> list[Address]:
        return [address]

    metrics = ClusterMetrics(known)
    texts = await asyncio.gather(*(metrics.text() for _ in range(20)))
    assert len(set(texts)) == 1
    assert len(agents.asked) == 1
