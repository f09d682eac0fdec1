"""A miss names the cause for which it was planted. The study `planted_misses` plants a hundred of each."""

from __future__ import annotations

import pytest

from deployments.core.reuse.misses import Cause
from tests.bench.studies.planted_misses import cost_ms, measure, named, rows
from tests.bench.workload.planted import PLANTS, Plant

EACH = 3


@pytest.mark.parametrize(
    ("cause", "plant"),
    [(cause, plant) for cause, plants in PLANTS.items() for plant in plants],
    ids=lambda value: value.__name__ if callable(value) else value.value,
)
async def test_a_planted_miss_has_its_cause(cause: Cause, plant: Plant) -> None:
    assert [await named(plant, seed) for seed in range(EACH)] == [cause] * EACH


def test_every_cause_is_planted() -> None:
    assert set(PLANTS) == set(Cause)


async def test_the_study_counts_what_was_planted() -> None:
    table = rows(await measure(1))
    assert [row["cause"] for row in table if row["planted"]] == [cause.value for cause in Cause]
    assert all(row["planted"] == row["named rightly"] for row in table)


def test_naming_causes_costs_little() -> None:
    """The goal is 0.1 ms; ten times as much shows that it has become linear in something large."""
    assert cost_ms(requests=100) < 1.0
