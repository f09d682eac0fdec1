"""How many requests a second each arm answers while TTFT stays within a bound. Closed loop.

Each client asks again as soon as it has its answer. The number of clients doubles as long as the 95th
percentile of TTFT is within the bound. The result of an arm is its best level within the bound.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.bench.harness.arms import Arm, asked
from tests.bench.harness.bench import Bench
from tests.bench.harness.summaries import percentile
from tests.bench.workload.agent_questions import agent_questions

ARMS = "abde"
AGENT = "support"
P95_MS = 1500.0
LEVELS = (1, 2, 4, 8, 16)
ANSWER_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Level:
    """The figures of one number of clients."""

    clients: int
    requests_per_s: float
    ttft_p95_ms: float


async def run(bench: Bench) -> None:
    """Measures all arms at one level before the next, so that a change of the machine affects all arms."""
    arms, rng = await bench.arms(), Random(bench.seed)
    reached: dict[str, list[Level]] = {name: [] for name in ARMS}
    climbing = list(ARMS)
    for clients in LEVELS:
        for name in rng.sample(climbing, len(climbing)):
            level = await _level(arms[name], clients, bench.plan.load_s, rng)
            reached[name].append(level)
            if level.ttft_p95_ms > P95_MS:
                climbing.remove(name)
    rows = [_row(name, levels) for name, levels in reached.items()]
    title = f"Requests/s with p95 TTFT within {P95_MS:.0f} ms ({AGENT}, {ANSWER_TOKENS} tokens)"
    bench.report.table(title, rows)
    levels = {name: [_shown(level) for level in found] for name, found in reached.items()}
    bench.report.add("load", {"p95_ms": P95_MS, "rows": rows, "levels": levels})


async def _level(arm: Arm, clients: int, duration_s: float, rng: Random) -> Level:
    ttfts_ms: list[float] = []
    end_s = time.monotonic() + duration_s
    started_s = time.monotonic()
    seeds = [rng.random() for _ in range(clients)]
    await asyncio.gather(*(_client(arm, end_s, Random(seed), ttfts_ms) for seed in seeds))
    return Level(clients, len(ttfts_ms) / (time.monotonic() - started_s), percentile(ttfts_ms, 95))


async def _client(arm: Arm, end_s: float, rng: Random, ttfts_ms: list[float]) -> None:
    """Asks random questions, half of them in other words, until `end_s`."""
    questions = agent_questions(AGENT, 10)
    while time.monotonic() < end_s:
        one = rng.choice(questions)
        query = one.first if rng.random() < 0.5 else one.reworded
        seen = await arm.ask(AGENT, asked(query, ANSWER_TOKENS, top_k=8))
        ttfts_ms.append(seen.ttft_ms)


def _row(name: str, levels: list[Level]) -> dict[str, Any]:
    within = [level for level in levels if level.ttft_p95_ms <= P95_MS]
    best = max(within, key=lambda level: level.requests_per_s, default=None)
    if best is None:
        return {"arm": name, "clients": 0, "requests_per_s": 0.0, "ttft_p95_ms": levels[0].ttft_p95_ms}
    return {"arm": name} | _shown(best)


def _shown(level: Level) -> dict[str, Any]:
    return {
        "clients": level.clients,
        "requests_per_s": round(level.requests_per_s, 3),
        "ttft_p95_ms": round(level.ttft_p95_ms, 1),
    }
