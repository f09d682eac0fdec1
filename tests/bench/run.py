"""The benchmark, in one run: `python -m tests.bench.run [--short] [--only PART,...] [--peer ...] [--seed N]`.

Everything that is compared is asked in turns, request by request. Tables go to the terminal, all figures and
the claims to bench-results/latest.json, plots beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from dataclasses import asdict
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from deployments.engine.deployment import Engine

from deployments.core.documents import SearchQuery
from deployments.core.ids import DEFAULT_TENANT, Scope
from serve_app.local_models import local_models
from tests.bench import (
    answers,
    bounded,
    hops,
    lengths,
    load,
    mixed,
    overhead,
    peers,
    support_questions,
    token_times,
)
from tests.bench.arms import arms
from tests.bench.bed import Bed, open_bed, open_engine
from tests.bench.caches import held
from tests.bench.engine_rate import Rate, rate_of
from tests.bench.plan import FULL, IN_PROCESS, OVER_HTTP, PARTS, SHORT, Plan
from tests.bench.plots import draw
from tests.bench.report import RESULTS, Report
from tests.bench.surroundings import environment, kv_cache_gib, model_dir, settings_for
from tests.bench.text_prompts import SPECS, messages, rendered
from tests.integration.application.running import Application, running_application


async def run(plan: Plan, chosen: set[str], servers: list[peers.Peer], report: Report, seed: int) -> None:
    """All chosen parts. The engine of the first ones is the bare engine of those over HTTP."""
    rate: Rate | None = None
    if chosen & {*IN_PROCESS, *OVER_HTTP}:
        with TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
            rate = await _on_engine(Path(folder), plan, chosen, servers, report, seed)
    if "hops" in chosen:
        await hops.run(report, plan.hop_s, plan.hop_rounds, rate.written_per_s if rate else None)


async def _on_engine(
    state_dir: Path, plan: Plan, chosen: set[str], servers: list[peers.Peer], report: Report, seed: int
) -> Rate:
    settings = settings_for(state_dir, engine_kv_cache_gib=kv_cache_gib(plan.kv_tokens))
    models = local_models(settings, print)
    async with open_engine(settings, models) as engine:
        rate = await rate_of(engine)
        report.add("engine", asdict(rate))
        print(f"the engine: {rate}", flush=True)
        async with open_bed(settings, models) as bed:
            await _in_process(bed, engine, plan, rate, chosen, report, seed)
            prompts = await _prompts(bed) if "peers" in chosen else []
        if chosen & {*OVER_HTTP}:
            with running_application(state_dir, model_dir()) as application:
                await _over_http(application, engine, plan, chosen, report, seed)
                if prompts:
                    ours = peers.Peer("warmline", f"{_url(application)}/v1", "question", "support")
                    await peers.run([ours, *servers], prompts, report, Random(seed))
    return rate


async def _in_process(
    bed: Bed, engine: Engine, plan: Plan, rate: Rate, chosen: set[str], report: Report, seed: int
) -> None:
    rng, prefilled_per_s = Random(seed), rate.prefilled_per_s
    if "tokens" in chosen:
        await token_times.run(bed, report, plan.token_runs)
    if chosen & {"answers", "lengths", "load"}:
        five = await arms(bed, engine)
        if "answers" in chosen:
            size = answers.Size(plan.questions(prefilled_per_s), plan.long_questions)
            await answers.run(five, report, size, rng)
        if "lengths" in chosen:
            times = plan.length_times(prefilled_per_s)
            await lengths.run(bed, five, report, plan.lengths, times, rng)
        if "load" in chosen:
            await load.run(five, report, "abde", plan.load_s, rng)
    if "mixed" in chosen:
        requests = plan.requests(prefilled_per_s)
        await mixed.run(bed, await arms(bed, engine, "abcd"), report, requests, seed)
    if "bounded" in chosen:
        await bounded.run(bed, report, plan.requests(prefilled_per_s, bounded=True), seed)
    report.add("caches", await held(bed, engine))


async def _over_http(
    application: Application, engine: Engine, plan: Plan, chosen: set[str], report: Report, seed: int
) -> None:
    if "overhead" in chosen:
        await overhead.run(_url(application), engine, report, plan.overhead_times, Random(seed))
    if "questions" in chosen:
        await asyncio.to_thread(support_questions.run, application, report)


def _url(application: Application) -> str:
    return str(application.http.base_url).rstrip("/")


async def _prompts(bed: Bed) -> list[peers.Prompt]:
    """The support questions, with the passages that the application would answer from."""
    found = []
    for one in answers.questions("support", 5):
        scope = Scope(DEFAULT_TENANT, SPECS["support"].collection)
        passages = (await bed.knowledge.search.remote(SearchQuery(scope, one.first, 8))).passages
        text = rendered(bed.models.llm, "support", one.first, passages)
        found.append(peers.Prompt(one.first, text, messages("support", one.first, passages)))
    return found


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--short", action="store_true", help="about five minutes: smaller, and without some parts"
    )
    parser.add_argument("--only", default="", help=f"of {','.join(PARTS)}")
    parser.add_argument(
        "--peer", action="append", default=[], type=peers.parse, help="see tests/bench/README.md"
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is ended
    plan = SHORT if options.short else FULL
    chosen = {*(options.only.split(",") if options.only else plan.parts)}
    if unknown := chosen - {*PARTS}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if options.peer:
        chosen |= {"peers"}
    report = Report({"short": options.short, "parts": sorted(chosen), "seed": options.seed})
    with environment():
        asyncio.run(run(plan, chosen, options.peer, report, options.seed))
    report.conclude()
    for file in draw(report.sections, RESULTS):
        print(f"drawn: {file}")


if __name__ == "__main__":
    main()
