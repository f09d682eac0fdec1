"""Three hops with nothing at their end: Serve as it comes against Serve as this application starts it.

Both run at the same time and are asked in turns, by clients in this process.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientTimeout, TCPConnector

from tests.bench.claims import Claim
from tests.bench.report import ROOT, Report
from tests.bench.summaries import percentile
from tests.listeners import family

MODES = ("default", "ours")
CLIENTS = (1, 16, 64)
CHUNKS = 200
GOAL = 3.0
CHUNKS_GOAL = 10.0
_WAIT_S = 120.0

Arrived = Callable[[int], None]
"""Is told how much has come, as it comes."""
Ask = Callable[[ClientSession, str, Arrived], Awaitable[None]]


async def run(report: Report, duration_s: float, rounds: int, engine_tokens_per_s: float | None) -> None:
    """Tables and claims. `engine_tokens_per_s` is what the real engine makes for 16 clients."""
    with ExitStack() as stack:
        urls = {
            mode: stack.enter_context(_application(mode, stack.enter_context(_folder()))) for mode in MODES
        }
        rows = [await _row(urls, clients, duration_s, rounds) for clients in CLIENTS]
    report.table("Three empty hops behind HTTP", rows)
    report.add("hops", {"rows": rows, "engine_tokens_per_s": engine_tokens_per_s})
    times = {row["clients"]: row["ours_per_s"] / max(row["default_per_s"], 0.1) for row in rows}
    how = "16 clients; " + ", ".join(f"{times[n]:.2f} with {n}" for n in CLIENTS if n != 16)
    report.claim(Claim("three_hops_requests_per_s", times[16], "times default Serve", GOAL, "higher", how))
    if engine_tokens_per_s:
        chunks_per_s = next(row["ours_chunks_per_s"] for row in rows if row["clients"] == 16)
        how = f"16 streams: {chunks_per_s:.0f} chunks/s, {engine_tokens_per_s:.0f} tokens/s"
        value = chunks_per_s / engine_tokens_per_s
        report.claim(Claim("stream_chunks_per_token", value, "times", CHUNKS_GOAL, "higher", how))


async def _row(urls: dict[str, str], clients: int, duration_s: float, rounds: int) -> dict[str, Any]:
    requests: dict[str, list[float]] = {mode: [] for mode in MODES}
    times_ms: dict[str, list[float]] = {mode: [] for mode in MODES}
    chunks: dict[str, list[float]] = {mode: [] for mode in MODES}
    for number in range(rounds):
        for mode in MODES if number % 2 == 0 else reversed(MODES):
            rate, taken = await _rate(urls[mode], clients, duration_s, _word)
            requests[mode].append(rate)
            times_ms[mode] += taken
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
    """What comes in a second, and how long each call took in milliseconds. A fifth of the time is warming."""
    taken, came = list[float](), 0
    begin_s = time.perf_counter() + duration_s / 5
    end_s = begin_s + duration_s

    def arrived(count: int) -> None:
        nonlocal came
        if begin_s <= time.perf_counter() < end_s:
            came += count

    async def client(session: ClientSession) -> None:
        while (started_s := time.perf_counter()) < end_s:
            await ask(session, url, arrived)
            if started_s >= begin_s:
                taken.append((time.perf_counter() - started_s) * 1000)

    async with ClientSession(connector=TCPConnector(limit=0), timeout=ClientTimeout(60)) as session:
        await asyncio.gather(*(client(session) for _ in range(clients)))
    return came / duration_s, taken or [duration_s * 1000]


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


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="hops-", ignore_cleanup_errors=True)


@contextmanager
def _application(mode: str, folder: str) -> Iterator[str]:
    """Runs `hops_app.py`; gives its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    state_dir = Path(folder)
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "WARMLINE_"))
    }
    environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).with_name("hops_app.py")), str(state_dir), str(port), mode]
    log = (state_dir / "log").open("w+")
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline_s = time.monotonic() + _WAIT_S
        while "\nready" not in "\n" + (state_dir / "log").read_text():
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError((state_dir / "log").read_text())
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        members = family(process.pid)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
        for pid in members:
            if Path("/proc", str(pid)).exists() and pid != os.getpid():
                os.kill(pid, signal.SIGKILL)
        log.close()
