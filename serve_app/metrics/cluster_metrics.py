"""Reads the metrics agents of all nodes, so that the application is one scrape target."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import httpx

from deployments.core.metrics import AGENTS_READ
from serve_app.metrics.exposition import gauge_lines, merged

log = logging.getLogger("ray.serve")

AGENT_TIMEOUT_S = 5.0
"""How long an agent may take. Prometheus itself waits for 10 s by default."""
MAX_AGENT_BYTES = 32 * 2**20
"""The most that is read of an agent. One with 10,000 series sends about 3 MiB."""
AT_A_TIME = 64
"""Agents that are read concurrently."""
VALID_FOR_S = 1.0
"""How long a result is given again, so that many readers cost the agents no more than one."""


class ClusterMetrics:
    """The metrics of the whole cluster. `addresses` gives host and port of each node's agent.

    An agent that can't be read is left out; the gauge `warmline_metrics_agents` counts them. Belongs to one
    event loop.
    """

    def __init__(self, addresses: Callable[[], Awaitable[Sequence[tuple[str, int]]]]) -> None:
        self._addresses = addresses
        # One client, since making one takes the event loop 20 ms and more. Without the environment's proxies:
        # agents are inside the cluster. It keeps no connection, so nobody has to close it.
        self._http = httpx.AsyncClient(
            trust_env=False, timeout=AGENT_TIMEOUT_S, limits=httpx.Limits(max_keepalive_connections=0)
        )
        self._lock = asyncio.Lock()
        self._text = b""
        self._valid_until_s = float("-inf")

    async def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        loop = asyncio.get_running_loop()
        async with self._lock:
            if loop.time() >= self._valid_until_s:
                self._text = await self._read()
                self._valid_until_s = loop.time() + VALID_FOR_S
            return self._text

    async def _read(self) -> bytes:
        places = asyncio.Semaphore(AT_A_TIME)
        addresses = await self._addresses()
        found = await asyncio.gather(*(_agent(self._http, places, *address) for address in addresses))
        # In a thread: joining megabytes of text would hold up requests.
        return await asyncio.to_thread(_joined, found)


def _joined(found: Sequence[str | None]) -> bytes:
    texts = [text for text in found if text is not None]
    counts = {"yes": len(texts), "no": len(found) - len(texts)}
    return (merged(texts) + gauge_lines(AGENTS_READ, "read", counts)).encode()


async def _agent(http: httpx.AsyncClient, places: asyncio.Semaphore, host: str, port: int) -> str | None:
    """What an agent shows; None if it can't be read."""
    url = httpx.URL(scheme="http", host=host, port=port, path="/metrics")
    content = bytearray()
    try:
        async with places, asyncio.timeout(AGENT_TIMEOUT_S), http.stream("GET", url) as response:
            response.raise_for_status()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > MAX_AGENT_BYTES:
                    raise httpx.DecodingError(f"it sends more than {MAX_AGENT_BYTES} bytes")
    except (httpx.HTTPError, TimeoutError) as error:
        log.warning("the metrics of %s are missing: %s: %s", url, type(error).__name__, error)
        return None
    return content.decode(errors="replace")
