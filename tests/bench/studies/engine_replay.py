"""Does the model of the cache find what vLLM finds? `python -m tests.bench.engine_replay [--only replay]`.

Requests of the frozen generator, one after the other, through the application's own order and routing: once
to real engines, whose `num_cached_tokens` counts, once to modelled caches of the same size. One replica and
two; documents in rank order to a replica by chance, and in resident order to the best ("trie"). Both sides
begin cold in the midst of the week. Then a replica that is started anew, with and without warming; and
engines whose events are lost.

The engines run a tiny model of random numbers (`tiny_engine.py`): what is found depends on ids alone.
Percentages are of document tokens, as in `tests.bench.workload`.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.core.ids import DEFAULT_TENANT, CollectionName, Scope
from deployments.core.reuse.paths import SegmentId, segment_id
from deployments.engine.resident_engine import ResidentEngine
from deployments.engine.vllm_engine import VllmEngine
from deployments.engine.warm_plan import WarmPrompt, plan
from deployments.engine.warming import warm
from deployments.token_cache.memory_store import InMemoryHotPaths
from serve_app.assembly.warm_prompts import HOT_PATHS
from serve_app.local_models import local_models
from tests.bench.claims import Claim
from tests.bench.lossy_events import LossyEvents, none
from tests.bench.report import RESULTS, Report
from tests.bench.surroundings import environment, settings_for
from tests.bench.through_replicas import (
    HEAD,
    Found,
    ModelReplica,
    Replica,
    Through,
    as_expected,
    share,
)
from tests.bench.tiny_engine import (
    BLOCK_TOKENS,
    EngineReplica,
    make_model,
    open_vllm,
    passage_ids,
    preamble_ids,
    resident,
)
from tests.bench.workload.cluster import POLICIES
from tests.bench.workload.generator import generate
from tests.bench.workload.prompts import Prompts
from tests.bench.workload.trace import Trace

RANK, TRIE = POLICIES["random + rank"], POLICIES["joint (rank behind)"]
GOAL_POINTS = 5.0
CACHE_TOKENS = 50_000
"""Of a replica that is restarted, or whose events are lost."""
SETTLE_S = 0.02
"""Waited behind each answer, for the engine's events."""
WARM_WITHIN_S = 60.0
LOSSES = ("nothing", "every 5th batch, repeated when asked for", "every 5th batch for good", "all")
QUICK = {"ask_every_s": 0.3, "answer_within_s": 1.0}
"""Requests come every few hundredths of a second here: an engine that tells nothing must be noticed."""


@dataclass(frozen=True)
class Bench:
    """What all parts need."""

    trace: Trace
    prompts: Prompts
    model: Path
    report: Report
    first: int
    requests: int
    seed: int

    def through(self, policy: Any, replicas: Sequence[Replica]) -> Through:
        """New views on these replicas."""
        return Through(self.trace, self.prompts, policy, replicas, self.seed)


async def replay(bench: Bench, capacities: Sequence[int]) -> None:
    """The engines beside the models."""
    rows: list[dict[str, Any]] = []
    for capacity in capacities:
        async with AsyncExitStack() as stack:
            names = ("a", "b")
            vllms = [await stack.enter_async_context(open_vllm(bench.model, capacity)) for _ in names]
            engines = {name: await resident(vllm, name) for name, vllm in zip(names, vllms, strict=True)}
            for count in (1, 2):
                for shown, policy in (("rank", RANK), ("trie", TRIE)):
                    salt = secrets.token_hex(8)
                    real = [EngineReplica(n, engines[n], salt, SETTLE_S) for n in names[:count]]
                    modelled = [ModelReplica(n, capacity, BLOCK_TOKENS) for n in names[:count]]
                    founds = [await _all(bench, policy, side) for side in (real, modelled)]
                    rows.append({"cache": capacity, "replicas": count, "policy": shown} | _compared(*founds))
                    print(f"  {rows[-1]}", flush=True)
    bench.report.table(f"{bench.requests} requests, % of document tokens found", rows)
    bench.report.sections["replay"] = rows
    worst = max(abs(row["points"]) for row in rows)
    bench.report.claim(Claim("engine against model", worst, "points", GOAL_POINTS, "lower", "the worst row"))


async def _all(bench: Bench, policy: Any, replicas: Sequence[Replica]) -> list[Found]:
    through = bench.through(policy, replicas)
    await through.open()
    return await through.all(bench.first, bench.requests)


def _compared(real: Sequence[Found], modelled: Sequence[Found]) -> dict[str, Any]:
    equal = sum(one.cached_tokens == other.cached_tokens for one, other in zip(real, modelled, strict=True))
    return {
        "engine": round(share(real), 2),
        "model": round(share(modelled), 2),
        "points": round(share(real) - share(modelled), 2),
        "equal_requests": equal,
        "as_expected": round(as_expected(real), 1),
        "as_expected_model": round(as_expected(modelled), 1),
    }


async def restart(bench: Bench, capacity: int, before: int = 200, after: int = 20) -> None:
    """The first requests of a replica that is started anew: cold, warmed, and had it never been away."""
    paths, scope = InMemoryHotPaths(), Scope(DEFAULT_TENANT, CollectionName("support_kb"))
    salt = secrets.token_hex(8)
    rows: list[dict[str, Any]] = []

    async def asked(engine: ResidentEngine, shown: str, warmed: str = "") -> None:
        through = bench.through(TRIE, [EngineReplica("a", engine, salt, SETTLE_S)])
        await through.open()
        found = await through.all(bench.first + before, after)
        rows.append({"replica": shown, "found": round(share(found), 2), "warmed": warmed})

    async with open_vllm(bench.model, capacity) as vllm:
        engine = await resident(vllm, "a")
        through = bench.through(TRIE, [EngineReplica("a", engine, salt, SETTLE_S)])
        await through.open()
        for one in await through.all(bench.first, before):
            await paths.record({scope: [one.keys]})
        await asked(engine, "not restarted")
    async with open_vllm(bench.model, capacity) as vllm:
        await asked(await resident(vllm, "a"), "restarted cold")
    async with open_vllm(bench.model, capacity) as vllm:
        info = await vllm.describe()
        engine = await resident(vllm, "a")
        wanted = await _wanted(bench, paths, salt)
        planned = plan(wanted, info.kv_cache_tokens // 2, info.max_model_len - 1)
        prompts = [(prompt.salt, prompt.prompt, prompt.layout) for prompt in planned]
        done = await warm(engine, prompts, WARM_WITHIN_S)
        await asked(engine, "restarted warmed", f"{done.prompts} prompts, {done.prefilled_tokens} tokens")
    bench.report.table(
        f"The first {after} requests after a restart, {before} before it, cache of {capacity}", rows
    )
    bench.report.sections["restart"] = rows


async def _wanted(bench: Bench, paths: InMemoryHotPaths, salt: str) -> list[WarmPrompt]:
    """The preamble and the hottest paths, as `assembly.warm_prompts` lists them."""
    preamble = (HEAD, preamble_ids(bench.prompts.layout.preamble_tokens))

    def ids(key: str) -> tuple[SegmentId, Any]:
        passage = int(key, 16)
        return segment_id(key), passage_ids(passage, bench.trace.tokens[passage])  # type: ignore[arg-type]

    hottest = await paths.hottest(HOT_PATHS)
    return [
        WarmPrompt(salt, (preamble,)),
        *(WarmPrompt(salt, (preamble, *map(ids, path.keys))) for path in hottest),
    ]


async def faults(bench: Bench, capacity: int) -> None:
    """In the second third of the requests events are lost; then all is well again."""
    third = bench.requests // 3
    rows: list[dict[str, Any]] = []
    async with open_vllm(bench.model, capacity) as vllm:
        for shown in (
            "nothing",
            "every 5th batch, repeated when asked for",
            "every 5th batch for good",
            "all",
        ):
            async with _lossy(vllm) as (events, engine):
                through = bench.through(TRIE, [EngineReplica("a", engine, secrets.token_hex(8), SETTLE_S)])
                await through.open()
                for part, phase in enumerate(("before", "lost", "after")):
                    await _set(events, shown if phase == "lost" else "nothing")
                    found = await through.all(bench.first + part * third, third)
                    rows.append({"lost": shown, "phase": phase} | _told(found))
                    print(f"  {rows[-1]}", flush=True)
    bench.report.table(f"Events lost, {third} requests each, cache of {capacity}", rows)
    bench.report.sections["faults"] = rows


def _told(found: Sequence[Found]) -> dict[str, Any]:
    return {
        "answered": len(found),
        "estimated": sum(one.estimated for one in found),
        "last_estimated": found[-1].estimated,
        "found": round(share(found), 2),
        "as_expected": round(as_expected(found), 1),
    }


@asynccontextmanager
async def _lossy(vllm: VllmEngine) -> AsyncIterator[tuple[LossyEvents, ResidentEngine]]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        events = LossyEvents(vllm.events, Path(folder))
        await events.start()
        engine = await resident(vllm, "a", events.addresses, **QUICK)
        try:
            await asyncio.sleep(1.0)  # until it has asked for what was before it
            yield events, engine
        finally:
            for follower in engine._beside:
                follower.cancel()
            await events.stop()


async def _set(events: LossyEvents, loss: str) -> None:
    await events.stop()
    events.lost = events.gone = none
    if loss.startswith("every 5th"):
        events.lost = lambda number: number % 5 == 0
    if loss.endswith("for good"):
        events.gone = events.lost
    if loss != "all":
        await events.start()
        await asyncio.sleep(1.0)  # until the follower has found it


async def run(options: argparse.Namespace, model: Path, report: Report) -> None:
    """The parts asked for."""
    trace = generate(options.seed)
    bench = Bench(trace, Prompts(trace.tokens), model, report, options.first, options.requests, options.seed)
    if "replay" in options.only:
        await replay(bench, options.capacity_tokens)
    if "restart" in options.only:
        await restart(bench, CACHE_TOKENS)
    if "faults" in options.only:
        await faults(bench, CACHE_TOKENS)


def main() -> None:
    """Prints the tables and whether the goal is met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--first", type=int, default=2000, help="the request of the week to begin with")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--capacity-tokens", type=int, nargs="+", default=[200_000, 50_000, 10_000])
    parser.add_argument("--only", nargs="+", default=["replay", "restart", "faults"])
    options = parser.parse_args()
    report = Report(vars(options))
    with environment(), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        embedded = local_models(settings_for(Path(folder)), print).llm
        model = make_model(Path(folder) / "tiny", Path(embedded))
        asyncio.run(run(options, model, report))
    print(f"written to {report.write(RESULTS / 'engine_replay.json')}")


if __name__ == "__main__":
    main()
