"""An engine replica killed while it answers: `python -m tests.bench.replica_death [--clients 4]`.

The running application with two engine replicas. Clients ask, each again as soon as it has its answer; the
engine replica that answers at that moment is killed with all its processes. Prints what was answered, and how
many of the prompts' tokens were found, before the kill, without that replica, and once it is back. Ends with
1 where a request failed or a prompt was other than its documents in their order.
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

from tests.bench.answers import questions
from tests.bench.replica_counts import Counts, watched
from tests.bench.report import as_table
from tests.bench.scaling import RUNNING
from tests.bench.surroundings import model_dir
from tests.integration.application.running import Application, running_application
from tests.listeners import family

REPLICAS = 2
BACK_WITHIN_S = 180
PHASES = ("both", "killed", "back")


@dataclass
class Tally:
    """What a phase's requests found."""

    statuses: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    cached_tokens: int = 0
    wrong: int = 0

    def add(self, body: dict[str, Any]) -> None:
        """Takes an answer. Wrong is one without documents, or with more found than there was."""
        reuse = body["reuse"]
        self.prompt_tokens += reuse["prompt_tokens"]
        self.cached_tokens += reuse["kv_cached_tokens"]
        self.wrong += not body["citations"] or reuse["kv_cached_tokens"] >= reuse["prompt_tokens"]


@dataclass
class Run:
    """All phases; `now` is the one in which requests are sent."""

    phases: dict[str, Tally] = field(default_factory=lambda: {name: Tally() for name in PHASES})
    now: str = PHASES[0]
    done: bool = False
    said: dict[str, str] = field(default_factory=dict)

    async def client(self, session: ClientSession, rng: Random) -> None:
        """Asks until all is done."""
        posed = questions("support", 10)
        while not self.done:
            query = f"{rng.choice(posed).first} It is about case {rng.randrange(10**6)}."
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
                self.said.setdefault(status, str(found)[:300])


async def run(application: Application, clients: int, phase_s: float, seed: int) -> Run:
    """Three phases."""
    made = Run()
    async with (
        ClientSession(str(application.http.base_url), timeout=ClientTimeout(300)) as session,
        watched(application) as counts,
    ):
        asking = [asyncio.create_task(made.client(session, Random(seed + n))) for n in range(clients)]
        await asyncio.sleep(phase_s)
        _kill_busiest_engine(application)
        made.now = "killed"
        await asyncio.sleep(5)  # until Serve has seen it
        for _ in range(BACK_WITHIN_S):
            await asyncio.sleep(1)
            if _engines(counts) == REPLICAS:
                break
        made.now = "back"
        await asyncio.sleep(phase_s)
        made.done = True
        await asyncio.gather(*asking)
    return made


def _engines(counts: list[tuple[float, Counts]]) -> int:
    return counts[-1][1]["Engine"].get(RUNNING, 0)


def _kill_busiest_engine(application: Application) -> None:
    """The one whose worker computes more at this moment: replica, scheduler and worker."""
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
        return False  # gone meanwhile


def _fields(stat: Path) -> list[str]:
    try:
        return stat.read_text().rpartition(")")[2].split()
    except OSError:
        return []  # gone meanwhile


def _cpu(pids: Iterable[int]) -> int:
    """Clock ticks that processes have computed for."""
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
        made = asyncio.run(run(application, asked.clients, asked.seconds, asked.seed))
    shown = [
        {
            "phase": name,
            "answers": tally.statuses["200"],
            "failed": tally.statuses.total() - tally.statuses["200"],
            "found_percent": round(100 * tally.cached_tokens / max(tally.prompt_tokens, 1), 1),
            "wrong": tally.wrong,
        }
        for name, tally in made.phases.items()
    ]
    print(as_table(shown))
    print(made.said or "every request was answered")
    raise SystemExit(1 if made.said or any(tally.wrong for tally in made.phases.values()) else 0)


if __name__ == "__main__":
    main()
