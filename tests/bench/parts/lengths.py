"""A question asked again, by the length of its prompt, which is made of the sample documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from deployments.core.documents import Passage
from deployments.core.ids import DEFAULT_TENANT, CollectionName, Scope
from tests.bench.arms import Arm, asked
from tests.bench.bed import Bed
from tests.bench.observation import Observation
from tests.bench.report import Report
from tests.bench.summaries import median_of_ratios, percentile

LENGTHS = (256, 512, 1024, 2048, 4096, 8000)
SHORT_LENGTHS = (256, 1024, 2048)
QUESTION = "What of this matters most to somebody who begins?"
SCOPE = Scope(DEFAULT_TENANT, CollectionName("documentation"))
_ROOM_TOKENS = 150
"""For the preamble, the question and the hint."""


async def run(
    bed: Bed, arms: Mapping[str, Arm], report: Report, lengths: Sequence[int], times: int, rng: Random
) -> None:
    """Asks arm a once, and b and d twice, for prompts of about each length."""
    pool = await bed.passages(SCOPE)
    rng.shuffle(pool)
    rows = []
    for length in lengths:
        seen: list[tuple[Observation, Observation, Observation]] = []
        for _ in range(times):
            passages = _taken(bed, pool, length - _ROOM_TOKENS)
            seen.append(await _asked(arms, passages, rng))
        rows.append(_row(length, seen))
    report.table("Repeated question by prompt length (documentation agent)", rows)
    report.add("lengths", rows)


def _taken(bed: Bed, pool: list[Passage], tokens: int) -> tuple[Passage, ...]:
    """From the front of the pool, whose order then begins with others: no prompt continues another."""
    taken, left = list[Passage](), tokens
    for passage in pool:
        length = len(bed.encoder.encode_text(passage.segment))
        if length <= left:
            taken.append(passage)
            left -= length
        if left < 40:
            break
    pool[:] = [*pool[1:], pool[0]] if not taken else [p for p in pool if p not in taken] + taken
    return tuple(taken)


async def _asked(
    arms: Mapping[str, Arm], passages: tuple[Passage, ...], rng: Random
) -> tuple[Observation, Observation, Observation]:
    again: dict[str, Observation] = {}
    for kind in ("first", "repeated"):
        for name in rng.sample("abd", 3):
            if name == "a" and kind == "first":
                continue  # it reuses nothing: one is enough
            one = await arms[name].ask("documentation", asked(QUESTION, 1), passages)
            again[name] = replace(one, kind=kind)
    return again["a"], again["b"], again["d"]


def _row(length: int, seen: Sequence[tuple[Observation, Observation, Observation]]) -> dict[str, Any]:
    ratios = median_of_ratios([(d.ttft_ms, a.ttft_ms) for a, _, d in seen])

    def middle(number: int, field: str) -> float:
        return round(percentile([getattr(three[number], field) for three in seen], 50), 1)

    return {
        "about": length,
        "n": len(seen),
        "passages": percentile([three[2].segments for three in seen], 50),
        "prompt_tokens": middle(2, "prompt_tokens"),
        "a_ttft_ms": middle(0, "ttft_ms"),
        "b_ttft_ms": middle(1, "ttft_ms"),
        "d_ttft_ms": middle(2, "ttft_ms"),
        "d_engine_ms": middle(2, "engine_ms"),
        "d_prefilled": middle(2, "computed_tokens"),
        "d_lower_than_a_by": round(1 - ratios.value, 4),
        "from": round(1 - ratios.high, 4),
        "to": round(1 - ratios.low, 4),
    }
