"""A miniature of the generated week through arms b and d, and each tenth request also through a and c.

A CPU would prefill the whole week for hours. All questions differ, so no answer can be shared.
"""

from __future__ import annotations

from tests.bench.harness.arms import build_arms
from tests.bench.harness.bench import Bench
from tests.bench.harness.claims import Claim
from tests.bench.harness.summaries import Ratio
from tests.bench.harness.trace_replay import modelled, replayed
from tests.bench.workload.generator import generate, miniature

GOAL = 0.70
LEAST_FOR_WEEK = 60
"""From so many requests on, the model of the cache also gets the whole week."""


async def run(bench: Bench) -> None:
    """Replays with a cache that holds everything."""
    bed = await bench.testbed()
    requests = bench.plan.requests((await bench.rate()).prefilled_per_s)
    trace = miniature(requests, bench.seed)
    outcome = await replayed(bed, await build_arms(bed, await bench.engine(), "abcd"), trace, bench.seed)
    bench.report.table(f"Mixed workload, unlimited cache ({requests} requests)", outcome.rows)
    bench.report.claim(_claim("mixed_document_tokens_prefilled", outcome.documents, requests))
    bench.report.claim(_claim("mixed_median_ttft", outcome.ttft, requests))
    by_model = {"miniature": modelled(trace, bed)}
    if requests >= LEAST_FOR_WEEK:
        by_model["week"] = modelled(generate(bench.seed), bed)
    print(f"  the same by a model of the cache: {by_model}")
    figures = outcome.as_dict() | {"requests": requests, "seed": bench.seed, "modelled": by_model}
    bench.report.add("mixed", figures)


def _claim(name: str, ratio: Ratio, requests: int) -> Claim:
    how = f"d against b, {requests} requests, 95 %: {ratio.low:.3f}-{ratio.high:.3f}"
    return Claim(name, ratio.value, "ratio", GOAL, "lower", how)
