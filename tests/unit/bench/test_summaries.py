"""Medians, percentiles and ratios with their spread."""

from __future__ import annotations

from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bench.harness.summaries import (
    median_of_ratios,
    percentile,
    ratio_of_medians,
    ratio_of_sums,
    summary,
)

VALUES = st.lists(st.floats(0.1, 1e6), min_size=1, max_size=40)
PAIRS = st.lists(st.tuples(st.floats(0.1, 1e3), st.floats(0.1, 1e3)), min_size=1, max_size=20)


@given(VALUES, st.floats(0, 100))
def test_a_percentile_lies_within_the_sample_and_grows(values: list[float], percent: float) -> None:
    """From the least to the greatest; the middle one is the median."""
    assert min(values) <= percentile(values, percent) <= max(values)
    assert percentile(values, percent / 2) <= percentile(values, percent)
    assert percentile(values, 50) == pytest.approx(median(values))


def test_a_percentile_lies_between_two_values() -> None:
    """It is interpolated linearly."""
    assert percentile([10.0, 20.0], 95) == pytest.approx(19.5)
    assert percentile([4.0, 1.0, 3.0, 2.0, 5.0], 25) == 2.0


def test_a_summary_says_how_many() -> None:
    """Figures are rounded in the report only."""
    found = summary([1.0, 2.0, 3.00049])
    assert (found.n, found.median) == (3, 2.0)
    assert found.as_dict() == {"n": 3, "median": 2.0, "p95": 2.9, "p99": 2.98}


@pytest.mark.parametrize("figure", [ratio_of_medians, ratio_of_sums, median_of_ratios])
@settings(max_examples=10)  # each draws thousands of times
@given(pairs=PAIRS)
def test_a_ratio_has_its_spread_around_it(figure, pairs: list[tuple[float, float]]) -> None:
    """The interval is within the pairs' least and greatest ratio, and the same for the same seed."""
    ratio = figure(pairs, seed=3)
    assert ratio == figure(pairs, seed=3)
    assert ratio.low <= ratio.high
    if figure is not ratio_of_medians:
        ratios = [a / b for a, b in pairs]
        assert min(ratios) * 0.999 <= ratio.low <= ratio.high <= max(ratios) * 1.001


def test_pairs_are_drawn_whole() -> None:
    """Different pairs with the same ratio have no spread."""
    pairs = [(1.0, 2.0), (50.0, 100.0), (700.0, 1400.0)]
    for figure in (ratio_of_sums, median_of_ratios):
        assert (figure(pairs).low, figure(pairs).value, figure(pairs).high) == (0.5, 0.5, 0.5)


def test_ratios_of_medians_and_of_pairs_differ() -> None:
    """The first compares two medians, the second is the median of each question's ratio."""
    pairs = [(1.0, 10.0), (5.0, 5.0), (9.0, 1.0)]
    assert ratio_of_medians(pairs).value == 1.0
    assert ratio_of_sums(pairs).value == 15 / 16
    assert median_of_ratios(pairs).value == 1.0
    assert median_of_ratios([(1.0, 0.0)]).value == float("inf")


def test_nothing_has_no_figure() -> None:
    """An empty sample raises ValueError."""
    with pytest.raises(ValueError, match="no values"):
        summary([])
    with pytest.raises(ValueError, match="no pairs"):
        ratio_of_sums([])
