"""Mixed workload: a miniature of the frozen generator's week through b and d, and now and then a and c.

The miniature has the generator's habits with fewer requests, passages and topics in the same proportion,
since a CPU would prefill the week for hours. All questions differ, so no answer could be shared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from deployments.core.documents import Passage
from deployments.core.ids import DocId
from tests.bench.arms import Arm, asked
from tests.bench.bed import Bed
from tests.bench.claims import Claim
from tests.bench.observation import Observation, row
from tests.bench.report import Report
from tests.bench.summaries import Ratio, ratio_of_medians, ratio_of_sums
from tests.bench.workload.generator import FROZEN, Habits, generate
from tests.bench.workload.one_cache import through_one_cache
from tests.bench.workload.prompts import Layout
from tests.bench.workload.texts import Texts
from tests.bench.workload.trace import Trace

AGENT = "support"
GOAL = 0.70
EVERY = 10
"""Requests between two that a and c get: they compute every token of every prompt anyway."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """d against b: document tokens prefilled, and median TTFT."""

    documents: Ratio
    ttft: Ratio
    rows: list[dict[str, Any]]


def miniature(requests: int, seed: int, habits: Habits = FROZEN) -> Trace:
    """So many requests, and passages and topics in proportion."""
    part = requests / habits.requests
    small = replace(
        habits,
        requests=requests,
        passages=max(round(habits.passages * part), 4 * habits.passages_per_request),
        topics=max(round(habits.topics * part), 2),
    )
    return generate(seed, small)


async def run(bed: Bed, arms: Mapping[str, Arm], report: Report, requests: int, seed: int) -> None:
    """The unlimited cache, with its claims."""
    trace = miniature(requests, seed)
    outcome = await through(bed, arms, trace, seed)
    report.table(f"Mixed workload, unlimited cache ({requests} requests)", outcome.rows)
    how = f"d against b, {requests} requests, 95 %: "
    report.claim(
        Claim(
            "mixed_document_tokens_prefilled",
            outcome.documents.value,
            "ratio",
            GOAL,
            "lower",
            how + f"{outcome.documents.low:.3f}-{outcome.documents.high:.3f}",
        )
    )
    report.claim(
        Claim(
            "mixed_median_ttft",
            outcome.ttft.value,
            "ratio",
            GOAL,
            "lower",
            how + f"{outcome.ttft.low:.3f}-{outcome.ttft.high:.3f}",
        )
    )
    by_model = {"miniature": modelled(trace, bed)}
    if requests >= 60:
        by_model["week"] = modelled(generate(seed), bed)
    print(f"  the same by a model of the cache: {by_model}")
    report.add("mixed", figures(outcome) | {"requests": requests, "seed": seed, "modelled": by_model})


async def through(
    bed: Bed, arms: Mapping[str, Arm], trace: Trace, seed: int, always: str = "bd", seldom: str = "ac"
) -> Outcome:
    """Replays a trace, each request through all arms before the next."""
    texts = Texts(count=lambda text: len(bed.encoder.encode_text(text)))
    rng, seen = Random(seed), list[Observation]()
    for number, request in enumerate(trace.asks):
        names = always + (seldom if number % EVERY == 0 else "")
        passages = tuple(_passage(texts, passage, trace) for passage in request.passages)
        question = f"{texts.question(request.passages)} My case is number {number + 1}."
        for name in rng.sample(names, len(names)):
            one = await arms[name].ask(AGENT, asked(question, 1), passages)
            seen.append(replace(one, question=number))
    return _outcome(seen, always + seldom)


def _passage(texts: Texts, passage: int, trace: Trace) -> Passage:
    text = texts.passage(passage, trace.tokens[passage])
    return Passage(DocId(f"passage-{passage}"), text.title, "", None, 1, 0, text.body, 1.0, None)


def _outcome(seen: Sequence[Observation], names: str) -> Outcome:
    by_arm = {name: [one for one in seen if one.arm == name] for name in names}
    pairs = list(zip(by_arm["d"], by_arm["b"], strict=True))
    return Outcome(
        documents=ratio_of_sums([(d.document_prefilled, b.document_prefilled) for d, b in pairs]),
        ttft=ratio_of_medians([(d.ttft_ms, b.ttft_ms) for d, b in pairs]),
        rows=[
            {"arm": name} | row(group) | {"documents_prefilled": _share(group)}
            for name, group in by_arm.items()
            if group
        ],
    )


def _share(seen: Sequence[Observation]) -> float:
    whole = sum(one.document_tokens for one in seen)
    return round(sum(one.document_prefilled for one in seen) / whole, 4)


def figures(outcome: Outcome) -> dict[str, Any]:
    """For the report."""
    return {
        "rows": outcome.rows,
        "document_tokens_prefilled_d_to_b": outcome.documents.as_dict(),
        "median_ttft_d_to_b": outcome.ttft.as_dict(),
    }


def modelled(trace: Trace, bed: Bed, capacity_tokens: int | None = None) -> dict[str, float]:
    """What a model of vLLM's cache finds: rank order, and the longest resident path, then by popularity."""
    layout = Layout(preamble_tokens=bed.head_tokens(AGENT))
    rank, trie = (
        1 - through_one_cache(trace, rest, trie=trie, capacity_tokens=capacity_tokens, layout=layout).share
        for rest, trie in (("rank", False), ("popularity", True))
    )
    return {"b": round(rank, 4), "d": round(trie, 4), "d_to_b": round(trie / rank, 4)}
