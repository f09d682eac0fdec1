"""Does an agent scale with its load without losing requests?

    python -m tests.bench.studies.scaling [--clients 40] [--seconds 75]

Starts the application with short scaling delays. Many clients ask the support agent, each again as soon as it
has its answer. Then one client goes on until the agent is back at one replica, to notice requests that a
stopping replica loses. Prints the number of replicas over time. The exit status is 1 if a request failed, if
the agent did not grow and shrink again, or if any other deployment but the ingress grew.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from tests.bench.harness.replica_counts import Counts, watched
from tests.bench.harness.report import as_table
from tests.bench.harness.surroundings import model_dir
from tests.bench.workload.agent_questions import agent_questions
from tests.integration.application.running import Application, running_application

LOADED = "Support"
MAY_GROW = "Ingress"
"""May grow because all requests go through it."""
RUNNING = "RUNNING"
BACK_WITHIN_S = 180
STEADY_S = 5.0
DELAYS = {
    "WARMLINE_UPSCALE_DELAY_S": "1",
    "WARMLINE_DOWNSCALE_DELAY_S": "5",
    "RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "0.5",
}


@dataclass
class Tally:
    """The clients' answers, by HTTP status or by the exception's name."""

    statuses: Counter[str] = field(default_factory=Counter)
    errors: dict[str, str] = field(default_factory=dict)
    """The first error message of each status."""
    slowest_s: float = 0.0

    @property
    def lost(self) -> int:
        """Requests without an answer."""
        return self.statuses.total() - self.statuses["200"]


@dataclass
class Run:
    """Counts over time, and when the load began and ended (`time.monotonic()`)."""

    counts: list[tuple[float, Counts]]
    began_s: float
    eased_s: float
    tally: Tally


async def run(application: Application, clients: int, load_s: float, seed: int) -> Run:
    """Runs many clients, then one."""
    tally = Tally()
    connector, timeout = TCPConnector(limit=0), ClientTimeout(150)
    base = str(application.http.base_url)
    async with (
        ClientSession(base, connector=connector, timeout=timeout) as session,
        watched(application) as counts,
    ):
        began_s = time.monotonic()
        until_s = began_s + load_s
        one = asyncio.create_task(client(session, float("inf"), Random(seed), tally))
        await asyncio.gather(*(client(session, until_s, Random(seed + n), tally) for n in range(1, clients)))
        eased_s = time.monotonic()
        for _ in range(BACK_WITHIN_S):
            await asyncio.sleep(1)
            if _is_back(counts):
                break
        one.cancel()
        return Run(list(counts), began_s, eased_s, tally)


async def client(session: ClientSession, end_s: float, rng: Random, tally: Tally) -> None:
    questions = agent_questions("support", 10)
    while (started_s := time.monotonic()) < end_s:
        query = f"{rng.choice(questions).first} It is about case {rng.randrange(10**6)}."
        body = {"query": query, "max_tokens": rng.choice((8, 12, 16)), "temperature": 0}
        try:
            async with session.post("/v1/support/answer", json=body) as response:
                status, text = str(response.status), await response.text()
        except (ClientError, TimeoutError) as error:
            status, text = type(error).__name__, str(error)
        tally.statuses[status] += 1
        tally.slowest_s = max(tally.slowest_s, time.monotonic() - started_s)
        if status != "200":
            tally.errors.setdefault(status, text[:300])
            await asyncio.sleep(0.5)


def _is_back(counts: Sequence[tuple[float, Counts]]) -> bool:
    """Whether for some seconds there was one replica, and none was starting or stopping."""
    latest_s, _ = counts[-1]
    recent = [found for at_s, found in counts if at_s > latest_s - STEADY_S]
    return len(recent) > 1 and all(found[LOADED] == {RUNNING: 1} for found in recent)


def rows(run: Run) -> list[dict[str, Any]]:
    """A row of the table for each change of a count."""
    found: list[dict[str, Any]] = []
    before: dict[str, str] = {}
    for at_s, counts in run.counts:
        shown = {name: _shown(counts[name]) for name in sorted(counts)}
        if shown != before:
            clients = (
                "many" if run.began_s <= at_s < run.eased_s else "one" if at_s >= run.eased_s else "none"
            )
            found.append({"at_s": round(at_s - run.began_s, 1), "clients": clients, **shown})
        before = shown
    return found


def _shown(by_state: dict[str, int]) -> str:
    """The number of running replicas, then the others: `2 +1 starting`."""
    others = [f"+{n} {state.lower()}" for state, n in sorted(by_state.items()) if state != RUNNING]
    return " ".join([str(by_state.get(RUNNING, 0)), *others])


def failures(run: Run) -> list[str]:
    """What went wrong."""
    most: Counter[str] = Counter()
    for _, counts in run.counts:
        for name, by_state in counts.items():
            most[name] = max(most[name], by_state.get(RUNNING, 0))
    found = [f"{run.tally.lost} requests without an answer"] if run.tally.lost else []
    found += [f"{LOADED} did not grow"] if most[LOADED] < 2 else []
    found += [] if _is_back(run.counts) else [f"{LOADED} did not return to one replica"]
    found += [f"{name} grew to {n}" for name, n in most.items() if n > 1 and name not in {LOADED, MAY_GROW}]
    return found


def main() -> None:
    """Starts the application, loads one agent, and prints what happened."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=75.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    state_dir = Path(tempfile.mkdtemp(prefix="scaling-"))
    with running_application(state_dir, model_dir(), **DELAYS) as application:
        done = asyncio.run(run(application, options.clients, options.seconds, options.seed))
    print(as_table(rows(done)))
    took_s, back_s = done.eased_s - done.began_s, done.counts[-1][0] - done.eased_s
    print(
        f"{done.tally.statuses.total()} requests: {json.dumps(done.tally.statuses)} {done.tally.errors or ''}"
    )
    print(f"{options.clients} clients for {took_s:.0f} s, one for {back_s:.0f} s more; ")
    print(f"the slowest answer took {done.tally.slowest_s:.1f} s")
    failed = failures(done)
    print("; ".join(failed) or f"only {LOADED} grew, and it returned; every request was answered")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
