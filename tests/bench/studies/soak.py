"""Runs many clients for minutes and watches errors and memory.

    python -m tests.bench.studies.soak [--clients 64] [--minutes 5]

Counts answers, 429s and all other errors, and measures the memory of the application's processes. The exit
status is 1 if there was an error other than 429, or if memory grew by more than the caches may still take.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from tests.bench.harness.claims import Claim
from tests.bench.harness.report import RESULTS, Report, as_table
from tests.bench.harness.streams import StreamFailed, streamed
from tests.bench.harness.summaries import summary
from tests.bench.harness.surroundings import model_dir
from tests.bench.workload.agent_questions import agent_questions
from tests.integration.application.running import Application, running_application
from tests.listeners import family

PAGE_BYTES = 4096
WARM_UP = 0.2
"""Share of the time before memory is compared: caches fill and pools open first."""
RETRY_S = 0.5
GROWTH_MIB = 300.0
"""Growth allowed after that. Caches may take 64 MiB of token ids a process, 32 of retrievals, 256 of Redis;
this run can fill only some of it."""


@dataclass
class Tally:
    """The clients' answers."""

    ttfts_ms: list[float] = field(default_factory=list)
    totals_ms: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    errors: dict[str, str] = field(default_factory=dict)
    """The first error message of each status."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Resident memory of each process in MiB, by its id and name. Shared pages count for each process."""

    at_s: float
    sizes: Mapping[tuple[int, str], float]

    @classmethod
    def of(cls, application: Application) -> Sample:
        """A sample of the application now."""
        sizes = {}
        for pid in {*family(application.process.pid), *application.pids("valkey")}:
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            except (OSError, IndexError):
                continue  # the process has ended
            name = words[0].decode(errors="replace").rpartition("/")[2][:40]
            sizes[pid, name] = pages * PAGE_BYTES / 2**20
        return cls(time.monotonic(), sizes)

    def row(self) -> dict[str, float]:
        """A row of the table: memory in all, and by name of the process."""
        by_name: dict[str, float] = {}
        for (_, name), size in sorted(self.sizes.items(), key=lambda item: item[0][1]):
            by_name[name] = by_name.get(name, 0.0) + size
        found = {name: round(size, 1) for name, size in by_name.items()}
        return {"at_s": round(self.at_s, 1), "all": round(sum(self.sizes.values()), 1), **found}

    def grown_since(self, earlier: Sample) -> float:
        """Growth of the processes that are in both samples: a new replica does not count as growth."""
        return sum(size - earlier.sizes.get(process, size) for process, size in self.sizes.items())


async def soak(application: Application, clients: int, duration_s: float, seed: int) -> dict[str, Any]:
    """Runs the clients; returns the figures, with memory over time."""
    tally, samples = Tally(), list[Sample]()
    end_s = time.monotonic() + duration_s
    connector = TCPConnector(limit=0)
    async with ClientSession(
        str(application.http.base_url), connector=connector, timeout=ClientTimeout(150)
    ) as session:
        watching = asyncio.create_task(_watch(application, samples))
        await asyncio.gather(*(_client(session, end_s, Random(seed + n), tally) for n in range(clients)))
        watching.cancel()
    samples.append(Sample.of(application))
    warm = samples[min(round(len(samples) * WARM_UP), len(samples) - 1)]
    return {
        "clients": clients,
        "duration_s": duration_s,
        "statuses": dict(tally.statuses),
        "said": tally.errors,
        "requests_per_s": round(len(tally.totals_ms) / duration_s, 2),
        "ttft_ms": summary(tally.ttfts_ms).as_dict(1),
        "total_ms": summary(tally.totals_ms).as_dict(1),
        "memory_mib": [sample.row() for sample in samples],
        "grown_mib": round(samples[-1].grown_since(warm), 1),
    }


async def _client(session: ClientSession, end_s: float, rng: Random, tally: Tally) -> None:
    while time.monotonic() < end_s:
        path, body = _request(rng)
        try:
            seen = await streamed(session, path, body)
        except StreamFailed as error:
            name = str(error.status)
            tally.errors.setdefault(name, error.message[:300])
            tally.statuses[name] += 1
            await asyncio.sleep(RETRY_S * (1 + rng.random()))  # as a client does after 429
            continue
        except (ClientError, TimeoutError) as error:
            tally.statuses[type(error).__name__] += 1
            tally.errors.setdefault(type(error).__name__, str(error)[:300])
            continue
        tally.statuses["200"] += 1
        tally.ttfts_ms.append(seen.ttft_ms)
        tally.totals_ms.append(seen.total_ms)


def _request(rng: Random) -> tuple[str, dict[str, Any]]:
    """A random request. Half of the questions repeat earlier ones, half are new."""
    agent = rng.choice(("support", "support", "documentation", "business"))
    one = rng.choice(agent_questions(agent, 10))
    body: dict[str, Any] = {"max_tokens": rng.choice((4, 8, 16)), "stream": True, "temperature": 0}
    if agent == "business":
        return "/v1/business/templates/recall", body | {"business_type": one.section}
    query = one.first if rng.random() < 0.5 else f"{one.reworded} It is about case {rng.randrange(10**6)}."
    path = "/v1/support/answer" if agent == "support" else "/v1/documentation/lookup"
    return path, body | {"query": query}


async def _watch(application: Application, samples: list[Sample]) -> None:
    while True:
        samples.append(Sample.of(application))
        await asyncio.sleep(10)


def claims(figures: dict[str, Any]) -> list[Claim]:
    """The two claims, from the figures of `soak`."""
    statuses = dict(figures["statuses"])
    fine, busy = statuses.pop("200", 0), statuses.pop("429", 0)
    memory = figures["memory_mib"]
    p99_ms, rate = figures["total_ms"]["p99"], figures["requests_per_s"]
    how = f"{fine} answers, {busy} times 429, p99 {p99_ms:.0f} ms, {rate}/s"
    grown = f"processes alive since a fifth of the time; all, added replicas too: {memory[-1]['all']:.0f} MiB"
    return [
        Claim("soak_errors", sum(statuses.values()), "errors beside 429", 0, "lower", how),
        Claim("soak_memory_growth", figures["grown_mib"], "MiB", GROWTH_MIB, "lower", grown),
    ]


def main() -> None:
    """Starts the application, soaks it, and writes `bench-results/soak.json`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that started processes are ended
    report = Report(vars(options))
    with (
        TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder,
        running_application(Path(folder), model_dir()) as application,
    ):
        figures = asyncio.run(soak(application, options.clients, options.minutes * 60, options.seed))
    found = claims(figures)
    print(as_table(figures["memory_mib"][:: max(len(figures["memory_mib"]) // 10, 1)]))
    print(json.dumps({name: value for name, value in figures.items() if name != "memory_mib"}, indent=1))
    for claim in found:
        report.claim(claim)
    report.sections["soak"] = figures
    print(f"written to {report.write(RESULTS / 'soak.json')}")
    raise SystemExit(0 if all(claim.met for claim in found) else 1)


if __name__ == "__main__":
    main()
