"""Three empty hops: Serve with its defaults compared with Serve as this application starts it.

Both run at the same time; clients in this process ask one, then the other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

from aiohttp import ClientSession, ClientTimeout, TCPConnector

from tests.bench.harness.bench import Bench
from tests.bench.harness.claims import Claim
from tests.bench.harness.running_hops import running_hops
from tests.bench.harness.summaries import percentile

MODES = ("default", "ours")
CLIENTS = (1, 16, 64)
CHUNKS = 200
GOAL = 3.0
CHUNKS_GOAL = 10.0

Arrived = Callable[[int], None]
"""Called with the number of words or chunks that have just arrived."""
Ask = Callable[[ClientSession, str, Arrived], Awaitable[None]]


async def run(bench: Bench) -> None:
    """Ends what other parts have started, then measures. The second claim needs the engine's speed."""
    await bench.stop()
    with ExitStack() as stack:
        urls = {mode: stack.enter_context(running_hops(mode)) for mode in MODES}
        rows = [await _row(urls, clients, bench.plan.hop_s, bench.plan.hop_rounds) for clients in CLIENTS]
    tokens_per_s = bench.known_rate.written_per_s if bench.known_rate else None
    bench.report.table("Three empty hops after HTTP", rows)
    bench.report.add("hops", {"rows": rows, "engine_tokens_per_s": tokens_per_s})
    bench.report.claim(_requests_claim(rows))
    if tokens_per_s:
        bench.report.claim(_chunks_claim(rows, tokens_per_s))


def _requests_claim(rows: list[dict[str, Any]]) -> Claim:
    times = {row["clients"]: row["ours_per_s"] / max(row["default_per_s"], 0.1) for row in rows}
    how = "16 clients; " + ", ".join(f"{times[n]:.2f} with {n}" for n in CLIENTS if n != 16)
    return Claim("three_hops_requests_per_s", times[16], "times default Serve", GOAL, "higher", how)


def _chunks_claim(rows: list[dict[str, Any]], tokens_per_s: float) -> Claim:
    """Compares with the tokens a second that the real engine decodes for 16 clients."""
    chunks_per_s = next(row["ours_chunks_per_s"] for row in rows if row["clients"] == 16)
    how = f"16 streams: {chunks_per_s:.0f} chunks/s, {tokens_per_s:.0f} tokens/s"
    value = chunks_per_s / tokens_per_s
    return Claim("stream_chunks_per_token", value, "times", CHUNKS_GOAL, "higher", how)


async def _row(urls: dict[str, str], clients: int, duration_s: float, rounds: int) -> dict[str, Any]:
    requests: dict[str, list[float]] = {mode: [] for mode in MODES}
    times_ms: dict[str, list[float]] = {mode: [] for mode in MODES}
    chunks: dict[str, list[float]] = {mode: [] for mode in MODES}
    for number in range(rounds):
        for mode in MODES if number % 2 == 0 else reversed(MODES):
            rate, durations_ms = await _rate(urls[mode], clients, duration_s, _word)
            requests[mode].append(rate)
            times_ms[mode] += durations_ms
            chunks[mode].append((await _rate(urls[mode], clients, duration_s, _words))[0])
    row: dict[str, Any] = {"clients": clients}
    for mode in MODES:
        row |= {
            f"{mode}_per_s": round(percentile(requests[mode], 50), 1),
            f"{mode}_p50_ms": round(percentile(times_ms[mode], 50), 2),
            f"{mode}_p99_ms": round(percentile(times_ms[mode], 99), 2),
            f"{mode}_chunks_per_s": round(percentile(chunks[mode], 50), 1),
        }
    return row


async def _rate(url: str, clients: int, duration_s: float, ask: Ask) -> tuple[float, list[float]]:
    """Arrivals a second, and each call's duration in milliseconds, after a warm-up of `duration_s / 5`."""
    durations_ms, total = list[float](), 0
    begin_s = time.perf_counter() + duration_s / 5
    end_s = begin_s + duration_s

    def arrived(count: int) -> None:
        nonlocal total
        if begin_s <= time.perf_counter() < end_s:
            total += count

    async def client(session: ClientSession) -> None:
        while (started_s := time.perf_counter()) < end_s:
            await ask(session, url, arrived)
            if started_s >= begin_s:
                durations_ms.append((time.perf_counter() - started_s) * 1000)

    async with ClientSession(connector=TCPConnector(limit=0), timeout=ClientTimeout(60)) as session:
        await asyncio.gather(*(client(session) for _ in range(clients)))
    return total / duration_s, durations_ms or [duration_s * 1000]


async def _word(session: ClientSession, url: str, arrived: Arrived) -> None:
    async with session.get(url) as response:
        response.raise_for_status()
        await response.read()
    arrived(1)


async def _words(session: ClientSession, url: str, arrived: Arrived) -> None:
    async with session.get(f"{url}/words?count={CHUNKS}") as response:
        response.raise_for_status()
        async for data in response.content.iter_any():
            arrived(data.count(b"data: "))
