"""What the application adds to its engine: TTFT over HTTP against the bare engine's, on the same prompt ids.

A second engine, of the same configuration, lies bare in this process. A question goes to the application,
its prompt to the bare engine, in turns, both warm; one client. Two differences are shown:

    over the bare engine   the client's TTFT less the bare engine's, call to first token (the claim)
    over its own engine    the client's TTFT less queue and prefill in the answer's own ledger; this has
                           vLLM's own way between its processes in it
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
from deployments.core.messages import GenerateRequest, Sampling
from deployments.core.token_ids import to_bytes, token_ids
from deployments.engine.deployment import Engine
from deployments.engine.vllm_engine import VllmEngine
from tests.bench.answers import questions
from tests.bench.claims import Claim
from tests.bench.report import Report
from tests.bench.streams import streamed
from tests.bench.summaries import percentile, summary

GOAL_MS = 8.0
ANSWER_TOKENS = 4
QUESTIONS = 5
_WARM = 3


async def run(url: str, engine: Engine, report: Report, times: int, rng: Random) -> None:
    """The table and the claim."""
    bare = bare_engine(engine)
    posed = [one.first for one in questions("support", QUESTIONS)]
    rows: list[dict[str, float]] = []
    async with ClientSession(base_url=url) as session:
        prompts = {query: await _prompt(session, query) for query in posed}
        for number in range(times + _WARM):
            for query in rng.sample(posed, len(posed)):
                row = await _pair(session, bare, query, prompts[query])
                if number >= _WARM:
                    rows.append(row)
    over_bare = [row["http_ms"] - row["bare_ms"] for row in rows]
    over_own = [row["http_ms"] - row["engine_ms"] for row in rows]
    table = [{"what": name} | summary([row[name] for row in rows]).as_dict() for name in rows[0]]
    table += [
        {"what": "over the bare engine"} | summary(over_bare).as_dict(),
        {"what": "over its own engine"} | summary(over_own).as_dict(),
    ]
    report.table("TTFT over HTTP, warm, one client, in milliseconds", table)
    report.add("overhead", table)
    quartiles = f"{percentile(over_bare, 25):.1f} and {percentile(over_bare, 75):.1f}"
    own = percentile(over_own, 50)
    how = f"median of {len(rows)} pairs, quartiles {quartiles}; over its own engine {own:.1f}"
    report.claim(Claim("application_overhead", percentile(over_bare, 50), "ms", GOAL_MS, "lower", how))


def bare_engine(engine: Any) -> VllmEngine:
    """What lies innermost in a replica."""
    while not isinstance(engine, VllmEngine):
        engine = engine._engine
    return engine


async def _prompt(session: ClientSession, query: str) -> bytes:
    """The ids that the application sends to its engine for a question."""
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
