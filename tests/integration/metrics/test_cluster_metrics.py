"""Agents that can't be read are counted and left out; the others' metrics are there, in bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from serve_app.metrics import cluster_metrics
from serve_app.metrics.cluster_metrics import ClusterMetrics
from tests.integration.metrics.conftest import free_port

Address = tuple[str, int]
GOOD = b"# HELP ray_warmline_x x\n# TYPE ray_warmline_x gauge\nray_warmline_x 1\n"


@pytest.fixture
async def agent() -> AsyncIterator[Callable[..., Awaitable[Address]]]:
    """Starts an agent that sends `body`, after `delay_s`."""
    async with AsyncExitStack() as servers:

        async def start(body: bytes = GOOD, delay_s: float = 0.0, status: str = "200 OK") -> Address:
            async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                asked.append(await reader.readuntil(b"\r\n\r\n"))
                await asyncio.sleep(delay_s)
                writer.write(f"HTTP/1.1 {status}\r\nConnection: close\r\n\r\n".encode() + body)
                writer.close()

            server = await servers.enter_async_context(await asyncio.start_server(answer, "127.0.0.1", 0))
            return "127.0.0.1", server.sockets[0].getsockname()[1]

        asked: list[bytes] = []
        start.asked = asked  # type: ignore[attr-defined]
        yield start


async def read(*addresses: Address) -> str:
    """The text of the agents at these addresses."""

    async def known() -> list[Address]:
        return list(addresses)

    return (await ClusterMetrics(known).text()).decode()


async def test_the_metrics_of_the_other_nodes_are_shown(agent, monkeypatch):
    """One is gone, one hangs, one sends too much, one has a fault."""
    monkeypatch.setattr(cluster_metrics, "AGENT_TIMEOUT_S", 0.5)
    monkeypatch.setattr(cluster_metrics, "MAX_AGENT_BYTES", 1000)
    text = await read(
        await agent(),
        ("127.0.0.1", free_port()),
        await agent(delay_s=30),
        await agent(GOOD + b"#" * 2000),
        await agent(status="500 Internal Server Error"),
    )
    assert text.count("warmline_x 1\n") == 1
    assert 'warmline_metrics_agents{read="yes"} 1\n' in text
    assert 'warmline_metrics_agents{read="no"} 4\n' in text


async def test_many_readers_ask_the_agents_once(agent):
    """Within a second."""
    address = await agent()

    async def known() -> list[Address]:
        return [address]

    metrics = ClusterMetrics(known)
    texts = await asyncio.gather(*(metrics.text() for _ in range(20)))
    assert len(set(texts)) == 1
    assert len(agent.asked) == 1
