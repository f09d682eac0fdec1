"""How much TTFT the application adds to its engine's, over HTTP.

This process has a second, bare engine with the same configuration. Each question goes to the application and
then, as prompt ids, to the bare engine. Both are warm, and there is one client. Two differences are reported:

    over the bare engine   the client's TTFT minus the bare engine's, from call to first token (the claim)
    over its own engine    the client's TTFT minus queue and prefill in the answer's ledger; this includes the
                           communication between vLLM's own processes
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import aclosing
from random import Random
from typing import Any
from uuid import uuid4

from aiohttp import ClientSession

from deployments.core.ids import RequestId
from deployments.core.ledger import STAGES
from deployments.core.messages import GenerateRequest
from deployments.core.sampling import Sampling
from deployments.core.token_ids import to_bytes, token_ids
from deployments.engine.vllm_engine import VllmEngine
from tests.bench.harness.bench import Bench
from tests.bench.harness.claims import Claim
from tests.bench.harness.streams import streamed
from tests.bench.harness.summaries import percentile, summary
from tests.bench.workload.agent_questions import agent_questions

GOAL_MS = 8.0
ANSWER_TOKENS = 4
QUESTIONS = 5
_WARM = 3
"""Rounds that are not measured."""


async def run(bench: Bench) -> None:
    """Prints a table of the times and of both differences."""
    queries = [one.first for one in agent_questions("support", QUESTIONS)]
    bare, rng, rows = bare_engine(await bench.engine()), Random(bench.seed), list[dict[str, float]]()
    async with ClientSession(base_url=await bench.url()) as session:
        prompts = {query: await _prompt(session, query) for query in queries}
        for number in range(bench.plan.overhead_times + _WARM):
            for query in rng.sample(queries, len(queries)):
                row = await _pair(session, bare, query, prompts[query])
                if number >= _WARM:
                    rows.append(row)
    _report(bench, rows)


def _report(bench: Bench, rows: list[dict[str, float]]) -> None:
    over_bare = [row["http_ms"] - row["bare_ms"] for row in rows]
    over_own = [row["http_ms"] - row["engine_ms"] for row in rows]
    table = [{"what": name} | summary([row[name] for row in rows]).as_dict() for name in rows[0]]
    table += [
        {"what": "over the bare engine"} | summary(over_bare).as_dict(),
        {"what": "over its own engine"} | summary(over_own).as_dict(),
    ]
    bench.report.table("TTFT over HTTP, warm, one client, in milliseconds", table)
    bench.report.add("overhead", table)
    quartiles = f"{percentile(over_bare, 25):.1f} and {percentile(over_bare, 75):.1f}"
    own = percentile(over_own, 50)
    how = f"median of {len(rows)} pairs, quartiles {quartiles}; over its own engine {own:.1f}"
    bench.report.claim(Claim("application_overhead", percentile(over_bare, 50), "ms", GOAL_MS, "lower", how))


def bare_engine(engine: Any) -> VllmEngine:
    """The vLLM engine inside the wrappers of a replica."""
    while not isinstance(engine, VllmEngine):
        engine = engine._engine
    return engine


async def _prompt(session: ClientSession, query: str) -> bytes:
    """The prompt ids that the application sends to its engine for a question."""
    body = _body(query) | {"return_token_ids": True, "stream": False}
    async with session.post("/v1/support/answer", json=body) as response:
        response.raise_for_status()
        answer: Mapping[str, Any] = await response.json()
    return to_bytes(token_ids(answer["prompt_token_ids"]))


def _body(query: str) -> dict[str, Any]:
    return {"query": query, "max_tokens": ANSWER_TOKENS, "temperature": 0, "top_k": 8, "stream": True}


async def _pair(session: ClientSession, bare: VllmEngine, query: str, prompt: bytes) -> dict[str, float]:
    seen = await streamed(session, "/v1/support/answer", _body(query))
    timings = seen.ledger["timings_ms"]
    stages = {stage: timings[stage] for stage in STAGES if stage != "decode"}
    return {
        "http_ms": seen.ttft_ms,
        "bare_ms": await _bare_ms(bare, prompt),
        "engine_ms": timings["queue"] + timings["prefill"],
    } | stages


async def _bare_ms(bare: VllmEngine, prompt: bytes) -> float:
    request = GenerateRequest(
        RequestId(f"bare-{uuid4().hex}"), prompt, Sampling(ANSWER_TOKENS, 0.0), "of the bare engine", 60.0
    )
    started_s, first_s = time.perf_counter(), 0.0
    async with aclosing(bare.generate(request)) as deltas:
        async for _ in deltas:
            first_s = first_s or time.perf_counter()
    return (first_s - started_s) * 1000
