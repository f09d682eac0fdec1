"""Does the model of the cache find what vLLM finds?

    python -m tests.bench.studies.engine_replay [--only replay restart faults]

`replay` sends requests of the generated week, one after the other, through the application's own ordering and
routing: once to real engines, which report `num_cached_tokens`, and once to modelled caches of the same size.
It does so with one and with two replicas, with two policies: rank order to a random replica, and resident
order ("trie") to the best replica, and with both evictions. In rank order the prompts are the same whatever
is evicted, so the answers are compared too. All start with an empty cache in the middle of the week.
`restart` compares a restarted replica with and without warming. `faults` loses events of the engine.

The engines run a tiny model with random weights (`tiny_engine.py`), since hits depend on the ids only.
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
from typing import Any, get_args

from deployments.core.ids import DEFAULT_TENANT, CollectionName, Scope
from deployments.core.reuse.eviction import EvictionPolicy
from deployments.core.reuse.paths import SegmentId, segment_id
from deployments.engine.resident_engine import ResidentEngine
from deployments.engine.vllm_engine import VllmEngine
from deployments.engine.warm_prompts import HOT_PATHS, WarmPrompt, plan
from deployments.engine.warming import warm
from serve_app.local_models import local_models
from tests.bench.harness.claims import Claim
from tests.bench.harness.report import RESULTS, Report
from tests.bench.harness.surroundings import environment, settings_for
from tests.bench.studies.lossy_events import LossyEvents, none
from tests.bench.studies.through_replicas import (
    HEAD,
    Found,
    ModelReplica,
    Replica,
    Through,
    as_expected,
    share,
)
from tests.bench.studies.tiny_engine import (
    ANSWER_TOKENS,
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
from tests.bench.workload.prompts import Layout, Prompts
from tests.bench.workload.trace import Trace
from tests.memory_stores import InMemoryHotPaths

RANK, TRIE = POLICIES["random + rank"], POLICIES["joint (rank behind)"]
GOAL_POINTS = 5.0
CACHE_TOKENS = 50_000
"""Cache size of a replica that is restarted, or whose events are lost."""
SETTLE_S = 0.02
"""Wait after each answer for the engine's events."""
WARM_WITHIN_S = 60.0
EVICTION_POLICIES: tuple[EvictionPolicy, ...] = get_args(EvictionPolicy)
LOSSES = ("nothing", "every 5th batch, repeated when asked for", "every 5th batch for good", "all")
QUICK = {"ask_every_s": 0.3, "answer_within_s": 1.0}
"""Short timeouts for the follower of the events: here requests come every few hundredths of a second."""


@dataclass(frozen=True)
class Study:
    """What the three comparisons need."""

    trace: Trace
    prompts: Prompts
    model: Path
    report: Report
    first: int
    requests: int
    seed: int

    def through(self, policy: Any, replicas: Sequence[Replica]) -> Through:
        """A new sequence of requests, which knows nothing of the replicas yet."""
        return Through(self.trace, self.prompts, policy, replicas, self.seed)


async def replay(study: Study, capacities: Sequence[int], most_replicas: int) -> None:
    """Compares engines with models."""
    rows: list[dict[str, Any]] = []
    for capacity in capacities:
        answers: dict[int, list[bytes]] = {}
        for eviction in EVICTION_POLICIES:
            async for row in _replayed(study, capacity, eviction, most_replicas, answers):
                rows.append({"cache": capacity, "eviction": eviction} | row)
                print(f"  {rows[-1]}", flush=True)
    study.report.table(f"{study.requests} requests, % of document tokens found", rows)
    study.report.sections["replay"] = rows
    worst = max(abs(row["points"]) for row in rows)
    study.report.claim(Claim("engine against model", worst, "points", GOAL_POINTS, "lower", "the worst row"))


async def _replayed(
    study: Study,
    capacity: int,
    eviction: EvictionPolicy,
    most_replicas: int,
    answers: dict[int, list[bytes]],
) -> AsyncIterator[dict[str, Any]]:
    """A row for each number of replicas and policy. `answers` has those of the first eviction."""
    async with AsyncExitStack() as stack:
        names = ("a", "b")[:most_replicas]
        vllms = [await stack.enter_async_context(open_vllm(study.model, capacity, eviction)) for _ in names]
        engines = {name: await resident(vllm, name) for name, vllm in zip(names, vllms, strict=True)}
        for count in range(1, most_replicas + 1):
            for shown, policy in (("rank", RANK), ("trie", TRIE)):
                for vllm in vllms:
                    assert await vllm._llm.reset_prefix_cache()
                salt = secrets.token_hex(8)
                real = [EngineReplica(n, engines[n], salt, SETTLE_S) for n in names[:count]]
                modelled = [ModelReplica(n, capacity, BLOCK_TOKENS, eviction) for n in names[:count]]
                founds = [await _all(study, policy, side) for side in (real, modelled)]
                row = {"replicas": count, "policy": shown} | _compared(*founds)
                if policy is RANK:
                    given = [answer for replica in real for answer in replica.answers]
                    before = answers.setdefault(count, given)
                    row["same_answers"] = sum(map(bytes.__eq__, given, before))
                yield row


async def _all(study: Study, policy: Any, replicas: Sequence[Replica]) -> list[Found]:
    through = study.through(policy, replicas)
    await through.open()
    return await through.all(study.first, study.requests)


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


async def restart(study: Study, capacity: int, before: int = 200, after: int = 20) -> None:
    """Compares the first requests of a replica: restarted cold, restarted and warmed, and not restarted."""
    paths, scope = InMemoryHotPaths(), Scope(DEFAULT_TENANT, CollectionName("support_kb"))
    salt = secrets.token_hex(8)
    rows: list[dict[str, Any]] = []

    async def asked(engine: ResidentEngine, shown: str, warmed: str = "") -> None:
        through = study.through(TRIE, [EngineReplica("a", engine, salt, SETTLE_S)])
        await through.open()
        found = await through.all(study.first + before, after)
        rows.append({"replica": shown, "found": round(share(found), 2), "warmed": warmed})

    async with open_vllm(study.model, capacity) as vllm:
        engine = await resident(vllm, "a")
        through = study.through(TRIE, [EngineReplica("a", engine, salt, SETTLE_S)])
        await through.open()
        for one in await through.all(study.first, before):
            await paths.record({scope: [one.keys]})
        await asked(engine, "not restarted")
    async with open_vllm(study.model, capacity) as vllm:
        await asked(await resident(vllm, "a"), "restarted cold")
    async with open_vllm(study.model, capacity) as vllm:
        info = await vllm.describe()
        engine = await resident(vllm, "a")
        wanted = await _wanted(study, paths, salt)
        planned = plan(wanted, info.kv_cache_tokens // 2, info.max_model_len - 1)
        prompts = [(prompt.salt, prompt.prompt, prompt.layout) for prompt in planned]
        done = await warm(engine, prompts, WARM_WITHIN_S)
        await asked(engine, "restarted warmed", f"{done.prompts} prompts, {done.prefilled_tokens} tokens")
    study.report.table(
        f"The first {after} requests after a restart, {before} before it, cache of {capacity}", rows
    )
    study.report.sections["restart"] = rows


async def _wanted(study: Study, paths: InMemoryHotPaths, salt: str) -> list[WarmPrompt]:
    """The preamble and the hottest paths, listed as in `assembly.warm_prompts`."""
    preamble = (HEAD, preamble_ids(study.prompts.layout.preamble_tokens))

    def ids(key: str) -> tuple[SegmentId, Any]:
        passage = int(key, 16)
        return segment_id(key), passage_ids(passage, study.trace.tokens[passage])  # type: ignore[arg-type]

    hottest = await paths.hottest(HOT_PATHS)
    return [
        WarmPrompt(salt, (preamble,)),
        *(WarmPrompt(salt, (preamble, *map(ids, path.keys))) for path in hottest),
    ]


async def faults(study: Study, capacity: int) -> None:
    """Loses events during the second third of the requests only."""
    third = study.requests // 3
    rows: list[dict[str, Any]] = []
    async with open_vllm(study.model, capacity) as vllm:
        for shown in LOSSES:
            assert await vllm._llm.reset_prefix_cache()
            async with _lossy(vllm) as (events, engine):
                through = study.through(TRIE, [EngineReplica("a", engine, secrets.token_hex(8), SETTLE_S)])
                await through.open()
                for number, phase in enumerate(("before", "lost", "after")):
                    await _set(events, shown if phase == "lost" else "nothing")
                    found = await through.all(study.first + number * third, third)
                    rows.append({"lost": shown, "phase": phase} | _counted(found))
                    print(f"  {rows[-1]}", flush=True)
    study.report.table(f"Events lost, {third} requests each, cache of {capacity}", rows)
    study.report.sections["faults"] = rows


def _counted(found: Sequence[Found]) -> dict[str, Any]:
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
            await asyncio.sleep(1.0)  # until the follower has asked for earlier events
            yield events, engine
        finally:
            for follower in engine._background:
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
    """Runs the chosen comparisons."""
    trace = generate(options.seed)
    layout = Layout(question_tokens=options.question_tokens, output_tokens=ANSWER_TOKENS - 1)
    prompts = Prompts(trace.tokens, layout)
    study = Study(trace, prompts, model, report, options.first, options.requests, options.seed)
    if "replay" in options.only:
        await replay(study, options.capacity_tokens, options.replicas)
    if "restart" in options.only:
        await restart(study, CACHE_TOKENS)
    if "faults" in options.only:
        await faults(study, CACHE_TOKENS)


def main() -> None:
    """Prints the tables and whether the goal is met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--first", type=int, default=2000, help="number of the first request in the week")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--capacity-tokens", type=int, nargs="+", default=[200_000, 50_000, 10_000])
    parser.add_argument("--replicas", type=int, choices=[1, 2], default=2, help="most engines of `replay`")
    parser.add_argument("--question-tokens", type=int, default=30, help="tokens after the documents")
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
