"""Clients of the cluster: they ask agents without a pause, and count what was lost.

A client asks the proxies of all nodes in turn, as a load balancer does: a node that fails its health check
gets nothing.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import ClientError, ClientSession, ClientTimeout, StreamReader

PATHS = {
    "support": "/v1/support/answer",
    "business": "/v1/business/templates/recall",
    "documentation": "/v1/documentation/lookup",
}
_PROBED_EVERY_S = 1.0
_TIMEOUT = ClientTimeout(150)


HEAD = f"{'part':<34}{'sent':>6}{'streams':>9}{'failed':>8}{'cut':>6}{'slowest s':>11}  why"
"""The head of the table that `Tally.row` makes."""


@dataclass
class Tally:
    """What clients sent in a part of the check, and what became of it."""

    sent: int = 0
    streams: int = 0
    """How many of them were streams."""
    failed: int = 0
    """Requests without an answer: refused, or answered with an error."""
    cut: int = 0
    """Streams that began and did not end with their ledger."""
    slowest_s: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)

    def row(self, name: str) -> str:
        """A line of the table."""
        why = "; ".join(f"{count} x {reason}" for reason, count in self.reasons.most_common(3))
        counts = f"{self.sent:>6}{self.streams:>9}{self.failed:>8}{self.cut:>6}"
        return f"{name:<34}{counts}{self.slowest_s:>11.1f}  {why}"


class Balancer:
    """Chooses a proxy for each request. `addresses` gives those of all nodes."""

    def __init__(self, addresses: Callable[[], Sequence[str]], port: int) -> None:
        self._addresses = addresses
        self._port = port
        self._healthy: list[str] = []
        self._next = 0

    def choose(self) -> str:
        """The base URL of a healthy proxy, in turn; of any node if none is healthy."""
        candidates = self._healthy or [self._url(address) for address in self._addresses()]
        self._next += 1
        return candidates[self._next % len(candidates)]

    def _url(self, address: str) -> str:
        return f"http://{address}:{self._port}"

    async def probe(self, session: ClientSession) -> None:
        """Checks all proxies again and again, until it is cancelled."""
        while True:
            urls = [self._url(address) for address in self._addresses()]
            healthy = await asyncio.gather(*(_is_healthy(session, url) for url in urls))
            self._healthy = [url for url, ok in zip(urls, healthy, strict=True) if ok]
            await asyncio.sleep(_PROBED_EVERY_S)


async def _is_healthy(session: ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/-/healthz", timeout=ClientTimeout(1)) as response:
            return response.status == 200
    except (ClientError, TimeoutError):
        return False


@dataclass
class Load:
    """What clients ask."""

    agents: Sequence[str]
    clients: int
    question: Callable[[str, random.Random], dict[str, object]]
    """The body of a request to an agent."""


@contextmanager
def asking(load: Load, balancer: Balancer, key: str, tally: Tally) -> Iterator[None]:
    """Clients that ask while the block runs; each gets the answer to its last question."""
    over = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_ask_all(load, balancer, key, tally, over)))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


async def _ask_all(load: Load, balancer: Balancer, key: str, tally: Tally, over: threading.Event) -> None:
    headers = {"authorization": f"Bearer {key}"}
    async with ClientSession(headers=headers, timeout=_TIMEOUT) as session:
        probing = asyncio.create_task(balancer.probe(session))
        await asyncio.sleep(_PROBED_EVERY_S / 2)
        clients = [_client(load, balancer, session, tally, over, number) for number in range(load.clients)]
        await asyncio.gather(*clients)
        probing.cancel()


async def _client(
    load: Load, balancer: Balancer, session: ClientSession, tally: Tally, over: threading.Event, number: int
) -> None:
    rng = random.Random(number)
    while not over.is_set():
        agent = rng.choice(load.agents)
        body = load.question(agent, rng) | {"stream": rng.random() < 0.5}
        tally.sent += 1
        tally.streams += bool(body["stream"])
        began_s = time.monotonic()
        url = balancer.choose() + PATHS[agent]
        try:
            await _ask(session, url, body, tally)
        except (ClientError, TimeoutError, ConnectionError) as error:
            tally.failed += 1
            tally.reasons[type(error).__name__] += 1
            await asyncio.sleep(0.5)
        tally.slowest_s = max(tally.slowest_s, time.monotonic() - began_s)


async def _ask(session: ClientSession, url: str, body: dict[str, object], tally: Tally) -> None:
    async with session.post(url, json=body) as response:
        if response.status != 200:
            tally.failed += 1
            tally.reasons[f"{response.status} {_message(await response.text())}"] += 1
            await asyncio.sleep(0.5)  # as a client waits before it tries again
        elif body["stream"]:
            await _read(response.content, tally)
        else:
            await response.json()


async def _read(content: StreamReader, tally: Tally) -> None:
    """Reads a stream's events to its end; the last ones are `ledger` and [DONE]."""
    try:
        text = (await content.read()).decode()
        complete = "event: ledger" in text and text.rstrip().endswith("[DONE]")
        reason = "" if complete else f"stream ended with {text[-120:]!r}"
    except (ClientError, TimeoutError) as error:
        complete, reason = False, f"stream: {type(error).__name__}"
    if not complete:
        tally.cut += 1
        tally.reasons[reason] += 1


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["error"]["message"])[:80]
    except (ValueError, KeyError, TypeError):
        return text[:80]
