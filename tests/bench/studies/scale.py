"""Where does it break with a thousand tenants, 300,000 passages of one collection and a million segments?

    python -m tests.bench.studies.scale --state FOLDER [--only fill,small,large]

Runs Knowledge, the token cache and an agent in processes of their own, once on small stores and once on large
ones. The application's own classes are used; embedder and engine answer at once, since real ones would only
add the same time to both. Texts and vectors are synthetic. `fill` writes the databases to FOLDER; it stops
after seven minutes, and the next run goes on. Reports CPU time and memory of each process, idle and under
load, the overhead before the first token, and what calls of Knowledge take.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from deployments.core.document_labels import document_filter
from deployments.core.documents import SearchQuery
from deployments.core.ids import DocId, RequestId, Scope, TenantId
from deployments.core.leases import LEASE_S, UNKNOWN, HolderId
from deployments.core.ledger import Answer
from deployments.core.messages import Ask
from deployments.core.salt import salt_scope
from deployments.core.services import Agent, KnowledgeBase
from serve_app.remote import client_of
from tests.bench.harness.child_process import Usage
from tests.bench.harness.report import RESULTS, Report
from tests.bench.harness.scale_bed import (
    BIG,
    COLLECTION,
    OWN_PASSAGES,
    ScaleBed,
    Size,
    fill_database,
    open_bed,
)
from tests.bench.harness.summaries import percentile
from tests.bench.harness.surroundings import environment
from tests.bench.harness.synthetic_knowledge import PASSAGES, draft_of, question_about

SMALL = Size("small", 10, 3_000, 1_000)
LARGE = Size("large", 1_000, 300_000, 1_000_000)
FILL_S = 285.0
QUESTIONS_A_MINUTE = 10
CHANGES_AN_HOUR = 1_000
OVERHEAD = ("retrieve", "tokens", "assemble", "route")
"""Stages before the engine."""
SCOPE = Scope(BIG, COLLECTION)
CHANGED_DOCUMENTS = 100
REPEATS = 10

Row = dict[str, Any]


@dataclass
class Study:
    """A running bed and what was measured on it."""

    bed: ScaleBed
    size: Size
    rows: list[Row]
    """CPU time and memory, a row for each phase."""
    asked: int = 0
    changed: int = 0

    def __post_init__(self) -> None:
        self.agent = client_of(Agent, self.bed.agent, "the agent")
        self.knowledge = client_of(KnowledgeBase, self.bed.knowledge, "the knowledge base")

    @asynccontextmanager
    async def phase(self, name: str) -> AsyncIterator[None]:
        """Measures what the processes use in this context."""
        before, began_s = self._usages(), time.monotonic()
        yield
        minutes = (time.monotonic() - began_s) / 60
        row: Row = {"size": self.size.name, "phase": name}
        for part, after in self._usages().items():
            row[f"{part}_cpu_s_a_min"] = round((after.cpu_s - before[part].cpu_s) / minutes, 2)
            row[f"{part}_mib"] = round(after.rss_mib)
        self.rows.append(row)

    def _usages(self) -> dict[str, Usage]:
        wanted = ("knowledge", "agent", "redis")
        return {name: Usage.of(self.bed.pids[name]) for name in wanted}

    async def ask(self, tenant: TenantId, topic: int) -> float:
        """Asks the agent; returns the overhead before the engine in milliseconds."""
        self.asked += 1
        question = f"{question_about(topic)} My case is number {self.asked}."
        answer = await self.agent.answer(Ask(tenant, question, RequestId(uuid4().hex), max_tokens=1))
        return _overhead_ms(answer)

    async def ask_own(self) -> float:
        """Asks for the next tenant."""
        return await self.ask(self.size.tenant(self.asked), self.asked % OWN_PASSAGES)

    async def ask_big(self) -> float:
        """Asks about the large collection."""
        return await self.ask(BIG, 7919 * (self.asked + 1) % self.size.passages)

    async def change(self) -> float:
        """Puts a new version of a document into the large collection; returns the milliseconds it took."""
        self.changed += 1
        draft = draft_of(self.changed % CHANGED_DOCUMENTS, self.changed)
        return await _ms(self.knowledge.put(SCOPE, draft))


def _overhead_ms(answer: Answer) -> float:
    return sum(answer.timings_ms[stage] or 0.0 for stage in OVERHEAD)


async def _ms(call: Awaitable[Any]) -> float:
    began_s = time.perf_counter()
    await call
    return (time.perf_counter() - began_s) * 1000


async def paced(a_minute: float, end_s: float, call: Callable[[], Awaitable[float]]) -> list[float]:
    """What `call` returned, called so many times a minute until the loop's clock is at `end_s`."""
    found, clock = list[float](), asyncio.get_running_loop().time
    while clock() < end_s:
        next_s = clock() + 60 / a_minute
        found.append(await call())
        await asyncio.sleep(max(min(next_s, end_s) - clock(), 0.0))
    return found


async def load(study: Study, seconds: float) -> Sequence[Row]:
    """Questions of the tenants and about the large collection, while that one changes."""
    end_s = asyncio.get_running_loop().time() + seconds
    async with study.phase("load"):
        own, big, changes = await asyncio.gather(
            paced(QUESTIONS_A_MINUTE, end_s, study.ask_own),
            paced(QUESTIONS_A_MINUTE, end_s, study.ask_big),
            paced(CHANGES_AN_HOUR / 60, end_s, study.change),
        )
    shown = {"overhead, a tenant of many": own, "overhead, large collection": big, "a change": changes}
    return [_row(study, f"load: {name}", values) for name, values in shown.items()]


def _row(study: Study, name: str, values_ms: Sequence[float]) -> Row:
    return {
        "size": study.size.name,
        "what": name,
        "n": len(values_ms),
        "p50_ms": round(percentile(values_ms, 50), 2),
        "p95_ms": round(percentile(values_ms, 95), 2),
    }


async def calls(study: Study) -> Sequence[Row]:
    """What single calls of Knowledge take, and questions one after the other."""
    knowledge, size = study.knowledge, study.size

    def query(number: int, labels: Mapping[str, str] | None = None) -> SearchQuery:
        only = document_filter(labels, None)
        return SearchQuery(SCOPE, question_about(101 * number % size.passages), 5, None, only)

    async def after_a_change(number: int) -> float:
        await study.change()
        return await _ms(knowledge.search(query(number)))

    async def overhead(_number: int) -> float:
        return await study.ask_own()

    few, many = {"product": "product-7"}, {"language": "en"}
    middle = DocId(f"article-{size.passages // PASSAGES // 2}")
    wanted: dict[str, Callable[[int], Awaitable[float]]] = {
        "search": lambda n: _ms(knowledge.search(query(n))),
        "search after a change": after_a_change,
        "search, a filter with few matches": lambda n: _ms(knowledge.search(query(n, few))),
        "search, a filter with many": lambda n: _ms(knowledge.search(query(n, many))),
        "full text, a filter with few": lambda n: _ms(
            knowledge.search_text(SCOPE, f"word{n} word1", 5, document_filter(few, None))
        ),
        "list 100": lambda n: _ms(knowledge.list(SCOPE, 100, DocId(middle))),
        "list 100, a filter with few": lambda n: _ms(
            knowledge.list(SCOPE, 100, None, document_filter(few, None))
        ),
        "overhead, a tenant of many": overhead,
    }
    return [
        _row(study, name, [await call(number) for number in range(REPEATS)]) for name, call in wanted.items()
    ]


async def leases(study: Study, seconds: float) -> Row:
    """One holder of leases on a collection and an epoch of each tenant, as `held_leases` renews them."""
    tenants = [study.size.tenant(number) for number in range(study.size.tenants)]
    scopes = [scope for tenant in tenants for scope in (Scope(tenant, COLLECTION), salt_scope(tenant))]
    holder, known = HolderId(uuid4().hex), dict.fromkeys(scopes, UNKNOWN)
    end_s, took_ms = time.monotonic() + seconds, list[float]()
    async with study.phase(f"one holder of {len(scopes)} leases"):
        while time.monotonic() < end_s:
            began_s = time.monotonic()
            answered = await study.knowledge.watch(holder, known)
            took_ms.append((time.monotonic() - began_s) * 1000)
            assert all(lease.lease_s == LEASE_S for lease in answered.values())
            known = {**known, **{scope: lease.generation for scope, lease in answered.items()}}
    return _row(study, f"watch {len(scopes)} scopes (0.8 s of it waits)", took_ms)


async def measure(state_dir: Path, size: Size, seconds: float, report: Report) -> None:
    """All phases of one size. Tables are printed as they are measured."""
    usages, times = list[Row](), list[Row]()

    def measured(rows: Sequence[Row]) -> None:
        report.table("Milliseconds", rows)
        report.table("CPU seconds a minute, and memory", usages)
        times.extend(rows)
        report.sections[size.name] = {"usage": usages, "times": times}
        report.write(RESULTS / f"scale-{size.name}.json")

    async with open_bed(state_dir, size) as bed:
        study = Study(bed, size, usages)
        measured([_row(study, "first question, which reads all vectors", [await study.ask_big()])])
        async with study.phase("idle"):
            await asyncio.sleep(seconds / 4)
        measured(await load(study, seconds))
        measured([await leases(study, seconds / 4)])
        measured(await calls(study))


def main() -> None:
    """Prints the tables and writes `bench-results/scale-*.json`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--state", type=Path, required=True, help="folder of the databases, kept")
    parser.add_argument("--only", default="fill,small,large", help="parts to run, with commas")
    parser.add_argument("--seconds", type=float, default=180.0, help="how long the load lasts")
    parser.add_argument("--segments", type=int, default=LARGE.segments, help="in Redis, of the large stores")
    options = parser.parse_args()
    large = replace(LARGE, segments=options.segments)
    parts, folder = options.only.split(","), options.state.resolve()
    with environment():
        for size in (SMALL, large):
            state_dir = folder / size.name
            state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            if "fill" in parts and not asyncio.run(fill_database(state_dir, size, FILL_S)):
                raise SystemExit("the database is not filled yet: run this part again")
            if size.name in parts:
                asyncio.run(measure(state_dir, size, options.seconds, Report(vars(options))))


if __name__ == "__main__":
    main()
