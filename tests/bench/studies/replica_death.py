"""Kills an engine replica while it answers.

    python -m tests.bench.studies.replica_death [--clients 4]

Starts the application with two engine replicas. Each client asks again as soon as it has its answer. The
busiest engine replica is killed with all its processes. Prints the number of answers and the share of prompt
tokens found in the cache: before the kill, without that replica, and after it is back. The exit status is 1
if a request failed, or if an answer had no citation or reports more cached tokens than its prompt can have.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from tests.bench.harness.replica_counts import Counts, watched
from tests.bench.harness.report import as_table
from tests.bench.harness.surroundings import model_dir
from tests.bench.studies.scaling import RUNNING
from tests.bench.workload.agent_questions import agent_questions
from tests.integration.application.running import Application, running_application
from tests.listeners import family

REPLICAS = 2
BACK_WITHIN_S = 180
PHASES = ("both", "killed", "back")


@dataclass
class Tally:
    """The answers of one phase."""

    statuses: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    cached_tokens: int = 0
    wrong: int = 0

    def add(self, body: dict[str, Any]) -> None:
        """Counts an answer. It is wrong without citations, or if its whole prompt counts as cached."""
        reuse = body["reuse"]
        self.prompt_tokens += reuse["prompt_tokens"]
        self.cached_tokens += reuse["kv_cached_tokens"]
        self.wrong += not body["citations"] or reuse["kv_cached_tokens"] >= reuse["prompt_tokens"]


@dataclass
class Run:
    """The answers of all phases. `now` is the present phase."""

    phases: dict[str, Tally] = field(default_factory=lambda: {name: Tally() for name in PHASES})
    now: str = PHASES[0]
    done: bool = False
    errors: dict[str, str] = field(default_factory=dict)
    """The first error message of each status."""

    async def client(self, session: ClientSession, rng: Random) -> None:
        """Asks until `done`."""
        questions = agent_questions("support", 10)
        while not self.done:
            query = f"{rng.choice(questions).first} It is about case {rng.randrange(10**6)}."
            body = {"query": query, "max_tokens": 16, "temperature": 0}
            tally = self.phases[self.now]
            try:
                async with session.post("/v1/support/answer", json=body) as response:
                    status, found = str(response.status), await response.json()
            except (ClientError, TimeoutError) as error:
                status, found = type(error).__name__, {"error": str(error)}
            tally.statuses[status] += 1
            if status == "200":
                tally.add(found)
            else:
                self.errors.setdefault(status, str(found)[:300])


async def run(application: Application, clients: int, phase_s: float, seed: int) -> Run:
    """Runs the three phases."""
    running = Run()
    async with (
        ClientSession(str(application.http.base_url), timeout=ClientTimeout(300)) as session,
        watched(application) as counts,
    ):
        asking = [asyncio.create_task(running.client(session, Random(seed + n))) for n in range(clients)]
        await asyncio.sleep(phase_s)
        _kill_busiest_engine(application)
        running.now = "killed"
        await asyncio.sleep(5)  # until Serve has seen it
        for _ in range(BACK_WITHIN_S):
            await asyncio.sleep(1)
            if _engines(counts) == REPLICAS:
                break
        running.now = "back"
        await asyncio.sleep(phase_s)
        running.done = True
        await asyncio.gather(*asking)
    return running


def _engines(counts: list[tuple[float, Counts]]) -> int:
    return counts[-1][1]["Engine"].get(RUNNING, 0)


def _kill_busiest_engine(application: Application) -> None:
    """Kills replica, scheduler and worker of the engine that uses more CPU time at this moment."""
    replicas = {pid: family(pid) for pid in family(application.process.pid) if _is_engine(pid)}
    before = {pid: _cpu(family) for pid, family in replicas.items()}
    time.sleep(0.5)
    busiest = max(replicas, key=lambda pid: _cpu(replicas[pid]) - before[pid])
    for pid in replicas[busiest]:
        os.kill(pid, signal.SIGKILL)


def _is_engine(pid: int) -> bool:
    try:
        return b"ServeReplica:default:Engine" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False  # the process has ended


def _fields(stat: Path) -> list[str]:
    try:
        return stat.read_text().rpartition(")")[2].split()
    except OSError:
        return []  # the process has ended


def _cpu(pids: Iterable[int]) -> int:
    """CPU time of the processes, in clock ticks."""
    read = [_fields(Path(f"/proc/{pid}/stat")) for pid in pids]
    return sum(int(fields[11]) + int(fields[12]) for fields in read if fields)


def main() -> None:
    """Starts the application, kills a replica, and prints what happened."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=60.0, help="of the first and the last phase")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    settings = {"WARMLINE_ENGINE_REPLICAS": str(REPLICAS), "WARMLINE_REQUEST_TIMEOUT_S": "300"}
    state_dir = Path(tempfile.mkdtemp(prefix="replica-death-"))
    with running_application(state_dir, model_dir(), **settings) as application:
        done = asyncio.run(run(application, asked.clients, asked.seconds, asked.seed))
    shown = [
        {
            "phase": name,
            "answers": tally.statuses["200"],
            "failed": tally.statuses.total() - tally.statuses["200"],
            "found_percent": round(100 * tally.cached_tokens / max(tally.prompt_tokens, 1), 1),
            "wrong": tally.wrong,
        }
        for name, tally in done.phases.items()
    ]
    print(as_table(shown))
    print(done.errors or "every request was answered")
    raise SystemExit(1 if done.errors or any(tally.wrong for tally in done.phases.values()) else 0)


if __name__ == "__main__":
    main()
