"""A repeated question at several prompt lengths. The documents are from the sample documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from deployments.core.documents import Passage
from deployments.core.ids import DEFAULT_TENANT, CollectionName, Scope
from tests.bench.harness.arms import Arm, asked
from tests.bench.harness.bench import Bench
from tests.bench.harness.observation import Observation
from tests.bench.harness.summaries import median_of_ratios, percentile
from tests.bench.harness.testbed import Testbed

QUESTION = "What of this matters most to somebody who begins?"
SCOPE = Scope(DEFAULT_TENANT, CollectionName("documentation"))
_ROOM_TOKENS = 150
"""Space for the preamble, the question and the hint."""


async def run(bench: Bench) -> None:
    """Asks arm a once, and b and d twice, for each prompt."""
    bed, arms, rng = await bench.testbed(), await bench.arms(), Random(bench.seed)
    times = bench.plan.length_times((await bench.rate()).prefilled_per_s)
    pool = await bed.passages(SCOPE)
    rng.shuffle(pool)
    rows = []
    for length in bench.plan.lengths:
        seen: list[tuple[Observation, Observation, Observation]] = []
        for _ in range(times):
            passages = _taken(bed, pool, length - _ROOM_TOKENS)
            seen.append(await _asked(arms, passages, rng))
        rows.append(_row(length, seen))
    bench.report.table("Repeated question by prompt length (documentation agent)", rows)
    bench.report.add("lengths", rows)


def _taken(bed: Testbed, pool: list[Passage], tokens: int) -> tuple[Passage, ...]:
    """Passages of about `tokens` tokens from the front of the pool, which are then moved to its end.

    So the next prompt begins with other passages, and no prompt is a prefix of another.
    """
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
                continue  # a reuses nothing, so one measurement is enough
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
