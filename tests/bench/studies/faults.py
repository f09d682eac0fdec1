"""What happens to requests when a part of the running application is killed?

    python -m tests.bench.studies.faults [--faults knowledge,engine_core] [--tries 2]

Clients ask, stream, search and store all the time. Each fault kills one process with SIGKILL; the next one
comes when all clients have been answered again, and without an error for some seconds. Prints a row for each
fault:

- `ok` and the other classes: requests that ended between the kill and the recovery. `503` and `error_event`
  are errors as documented; `refused`, `cut` and `late` are requests without a reply.
- `slowest_s`: the slowest request that was answered.
- `recovered_s`: from the kill to the first answer after the last error, the longest of all tries; 0 if there
  was no error.
- `wrong_ids`: prompts whose ids differ from those of the same question before the first fault.
- `lost`: stored documents that can't be read at the end.

The faults `gcs` and `raylet` end the application: the row says when, with which exit code, and how many of
its processes are left. The exit status is 1 if ids were wrong or documents were lost.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from tests.bench.harness.report import as_table
from tests.bench.harness.surroundings import model_dir
from tests.bench.workload.agent_questions import agent_questions
from tests.integration.application.running import Application, running_application
from tests.listeners import family, runs

FAULTS = {
    "token_cache": "ray::ServeReplica:default:TokenCache",
    "knowledge": "ray::ServeReplica:default:Knowledge",
    "agent": "ray::ServeReplica:default:Support",
    "ingress": "ray::ServeReplica:default:Ingress",
    "engine_core": "VLLM::EngineCore",
    "engine_worker": "VLLM::Worker",
    "engine_replica": "ray::ServeReplica:default:Engine",
    "haproxy": "haproxy -db",
    "proxy_actor": "ray::HAProxy",
    "controller": "ray::ServeController",
    "valkey": "valkey-server",
}
"""Fault -> what the command line of the killed process has."""
FATAL = {"gcs": "gcs_server", "raylet": "raylet/raylet"}
QUIET_S = 5.0
"""So long without an error means recovered."""
GIVE_UP_S = 180.0
REQUEST_TIMEOUT_S = 150.0
PAUSE_S = 0.2
"""Of each client after an error."""
NO_REPLY = ("refused", "cut", "late")


@dataclass(frozen=True)
class Outcome:
    """How a request ended."""

    client: int
    ended_s: float
    took_s: float
    kind: str
    """"ok", an HTTP status, "error_event", or one of `NO_REPLY`."""


@dataclass
class Traffic:
    """What all clients have seen. Times are of `time.monotonic()`."""

    session: ClientSession
    outcomes: list[Outcome] = field(default_factory=list)
    ids: dict[str, list[int]] = field(default_factory=dict)
    """Prompt ids by question, from its first answer."""
    wrong_ids: int = 0
    stored: list[str] = field(default_factory=list)
    """Ids of documents whose PUT was answered with 200."""

    async def client(self, name: int, request: Callable[[int], Awaitable[str]]) -> None:
        """Makes one request after the other, for ever."""
        for number in itertools.count():
            began_s = time.monotonic()
            try:
                kind = await request(number)
            except TimeoutError:
                kind = "late"
            except ClientError as error:
                kind = "refused" if "Cannot connect" in str(error) else "cut"
            now_s = time.monotonic()
            self.outcomes.append(Outcome(name, now_s, now_s - began_s, kind))
            if kind != "ok":
                await asyncio.sleep(PAUSE_S)

    async def answer(self, number: int) -> str:
        """A complete answer, whose prompt ids are compared."""
        query = QUESTIONS[number % len(QUESTIONS)]
        body = {"query": query, "max_tokens": 8, "temperature": 0, "return_token_ids": True}
        async with self.session.post("/v1/support/answer", json=body) as response:
            if response.status != 200:
                return str(response.status)
            ids = (await response.json())["prompt_token_ids"]
        # The order of documents depends on what the engine has cached; the ids must not.
        self.wrong_ids += sorted(ids) != self.ids.setdefault(query, sorted(ids))
        return "ok"

    async def stream(self, number: int) -> str:
        """A streamed answer, read to its end."""
        body = {"query": QUESTIONS[-1 - number % len(QUESTIONS)], "max_tokens": 48, "stream": True}
        async with self.session.post("/v1/support/answer", json=body) as response:
            if response.status != 200:
                return str(response.status)
            text = await response.text()
        if "event: error" in text:
            return "error_event"
        return "ok" if "event: ledger" in text and text.endswith("data: [DONE]\n\n") else "cut"

    async def search(self, _: int) -> str:
        """A search."""
        async with self.session.get("/v1/support/search", params={"query": "refund"}) as response:
            await response.read()
        await asyncio.sleep(0.1)
        return "ok" if response.status == 200 else str(response.status)

    async def store(self, number: int) -> str:
        """A new document, of another tenant: the ids of the answers stay the same."""
        name = f"document-{number}-{len(self.stored)}"
        body = {"title": name, "content": f"The number of {name} is {number}."}
        path = f"/v1/collections/support_kb/documents/{name}"
        async with self.session.put(path, json=body, headers=WRITER) as response:
            await response.read()
        if response.status != 200:
            return str(response.status)
        self.stored.append(name)
        await asyncio.sleep(1)
        return "ok"

    async def missing(self) -> int:
        """How many stored documents can't be read."""
        count = 0
        for name in self.stored:
            path = f"/v1/collections/support_kb/documents/{name}"
            async with self.session.get(path, headers=WRITER) as response:
                count += response.status != 200
        return count


QUESTIONS = [question.first for question in agent_questions("support", 10)]
WRITER = {"x-business-id": "writer"}


async def run(
    application: Application, faults: list[str], tries: int
) -> tuple[list[dict[str, Any]], Traffic]:
    """Makes the faults one after the other; returns a row for each."""
    timeout = ClientTimeout(REQUEST_TIMEOUT_S)
    base = str(application.http.base_url)
    async with ClientSession(base, connector=TCPConnector(limit=0), timeout=timeout) as session:
        traffic = Traffic(session)
        requests = (traffic.answer, traffic.answer, traffic.stream, traffic.search, traffic.store)
        clients = [asyncio.create_task(traffic.client(*one)) for one in enumerate(requests)]
        await asyncio.sleep(15)
        rows = []
        for fault in faults:
            tried = [await one(application, traffic, FAULTS[fault]) for _ in range(tries)]
            rows.append(row(fault, tried))
            print(rows[-1], flush=True)  # an aborted run leaves what it has measured
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        for shown in rows:
            shown["wrong_ids"] = traffic.wrong_ids
        rows.append({"fault": "all", "wrong_ids": traffic.wrong_ids, "lost": await traffic.missing()})
    return rows, traffic


@dataclass(frozen=True)
class Try:
    """One kill, and the requests until the recovery."""

    outcomes: list[Outcome]
    recovered_s: float


async def one(application: Application, traffic: Traffic, needle: str) -> Try:
    """Kills the processes, and waits until every client has been answered again, and none has got an error
    for `QUIET_S` seconds.
    """
    killed_s = time.monotonic()
    application.kill(needle)
    began = len(traffic.outcomes)
    clients = {outcome.client for outcome in traffic.outcomes}
    while time.monotonic() - killed_s < GIVE_UP_S:
        await asyncio.sleep(0.2)
        recent = traffic.outcomes[began:]
        failed_s = max((one.ended_s for one in recent if one.kind != "ok"), default=killed_s)
        answered = [one for one in recent if one.kind == "ok" and one.ended_s - one.took_s > failed_s]
        if {one.client for one in answered} == clients and time.monotonic() - failed_s > QUIET_S:
            return Try(
                recent, min(one.ended_s for one in answered) - killed_s if failed_s > killed_s else 0.0
            )
    return Try(traffic.outcomes[began:], float("inf"))


def row(fault: str, tries: list[Try]) -> dict[str, Any]:
    """A row of the table."""
    outcomes = [outcome for one_try in tries for outcome in one_try.outcomes]
    kinds = Counter(outcome.kind for outcome in outcomes)
    answered = [outcome.took_s for outcome in outcomes if outcome.kind == "ok"]
    return {
        "fault": fault,
        "tries": len(tries),
        **{kind: kinds.pop(kind, 0) for kind in ("ok", "503", "error_event", *NO_REPLY)},
        "others": " ".join(f"{count}x{kind}" for kind, count in sorted(kinds.items())),
        "slowest_s": round(max(answered, default=0.0), 1),
        "recovered_s": round(max(one_try.recovered_s for one_try in tries), 1),
    }


def fatal(fault: str) -> dict[str, Any]:
    """Starts the application, kills a server of Ray, and waits for the end of all processes."""
    with running_application(Path(tempfile.mkdtemp(prefix="faults-")), model_dir()) as application:
        members = family(application.process.pid) | set(application.pids(""))
        killed_s = time.monotonic()
        application.kill(FATAL[fault])
        while application.process.poll() is None and time.monotonic() - killed_s < GIVE_UP_S:
            time.sleep(0.1)
        ended_s = time.monotonic() - killed_s
        time.sleep(5)
        left = sum(map(runs, members))
    return {
        "fault": fault,
        "exit_code": application.process.poll(),
        "left": left,
        "ended_s": round(ended_s, 1),
    }


def main() -> None:
    """Makes the faults, and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faults", default=",".join([*FAULTS, *FATAL]))
    parser.add_argument("--tries", type=int, default=2)
    asked = parser.parse_args()
    chosen = asked.faults.split(",")
    bad = 0
    if living := [fault for fault in chosen if fault in FAULTS]:
        with running_application(Path(tempfile.mkdtemp(prefix="faults-")), model_dir()) as application:
            rows, traffic = asyncio.run(run(application, living, asked.tries))
        print(as_table(rows))
        bad = traffic.wrong_ids + rows[-1]["lost"]
    if ended := [fatal(fault) for fault in chosen if fault in FATAL]:
        print(as_table(ended))
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
