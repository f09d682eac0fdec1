"""Replays a trace through arms on a real engine, and through a model of the engine's cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from deployments.core.documents import Passage
from deployments.core.ids import DocId
from tests.bench.harness.arms import Arm, asked
from tests.bench.harness.observation import Observation, row
from tests.bench.harness.summaries import Ratio, ratio_of_medians, ratio_of_sums
from tests.bench.harness.testbed import Testbed
from tests.bench.workload.evictions import EVICTIONS
from tests.bench.workload.one_cache import through_one_cache
from tests.bench.workload.prompts import Layout
from tests.bench.workload.texts import Texts
from tests.bench.workload.trace import Trace

AGENT = "support"
EVERY = 10
"""a and c get each tenth request only: they compute every token of every prompt anyway."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Arm d compared with arm b."""

    documents: Ratio
    """Document tokens prefilled."""
    ttft: Ratio
    """Median TTFT."""
    rows: list[dict[str, Any]]
    """A row of the table for each arm."""

    def as_dict(self) -> dict[str, Any]:
        """The figures as the report's JSON has them."""
        return {
            "rows": self.rows,
            "document_tokens_prefilled_d_to_b": self.documents.as_dict(),
            "median_ttft_d_to_b": self.ttft.as_dict(),
        }


async def replayed(
    bed: Testbed, arms: Mapping[str, Arm], trace: Trace, seed: int, always: str = "bd", seldom: str = "ac"
) -> Outcome:
    """Sends each request of the trace to all arms before the next request."""
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


def modelled(trace: Trace, bed: Testbed, capacity_tokens: int | None = None) -> dict[str, float]:
    """Share of document tokens prefilled by b and d, and their ratio, by a model of vLLM's cache.

    The model of d puts the longest cached path first, then the other documents by popularity, and evicts
    documents last.
    """
    layout = Layout(preamble_tokens=bed.head_tokens(AGENT))
    rank, trie = (
        1
        - through_one_cache(
            trace,
            rest,
            trie=trie,
            capacity_tokens=capacity_tokens,
            layout=layout,
            eviction=EVICTIONS[eviction],
        ).share
        for rest, trie, eviction in (("rank", False, "lru"), ("popularity", True, "documents"))
    )
    return {"b": round(rank, 4), "d": round(trie, 4), "d_to_b": round(trie / rank, 4)}
