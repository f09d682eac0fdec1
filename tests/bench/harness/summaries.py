"""Statistics of a sample: medians, percentiles, and ratios of paired samples with confidence intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import floor
from random import Random
from statistics import median

Pairs = Sequence[tuple[float, float]]
_Figure = Callable[[Pairs], float]

ROUNDS = 2000
"""Number of bootstrap samples."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Statistics of `n` values, in their unit."""

    n: int
    median: float
    p95: float
    p99: float

    def as_dict(self, digits: int = 3) -> dict[str, float]:
        """The values as the report's JSON has them."""
        return {name: round(value, digits) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"

    def as_dict(self) -> dict[str, float]:
        """The values as the report's JSON has them."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def summary(values: Sequence[float]) -> Summary:
    """The summary of some values. Raises ValueError if there are none."""
    return Summary(len(values), percentile(values, 50), percentile(values, 95), percentile(values, 99))


def percentile(values: Sequence[float], percent: float) -> float:
    """A percentile, interpolated between two values. Raises ValueError if there are no values."""
    if not values:
        raise ValueError("no values, no percentile")
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def ratio_of_medians(pairs: Pairs, seed: int = 0) -> Ratio:
    """Median of the first values over median of the second. The bootstrap draws whole pairs.

    Raises ValueError if there are no pairs.
    """
    return _bootstrapped(
        pairs, seed, lambda drawn: _over(median(a for a, _ in drawn), median(b for _, b in drawn))
    )


def ratio_of_sums(pairs: Pairs, seed: int = 0) -> Ratio:
    """Sum of the first values over sum of the second. Raises ValueError if there are no pairs."""
    return _bootstrapped(pairs, seed, lambda drawn: _over(sum(a for a, _ in drawn), sum(b for _, b in drawn)))


def mean_difference(pairs: Pairs, seed: int = 0) -> Ratio:
    """Mean of first minus second: a difference, despite the type. Raises ValueError if there are no pairs."""
    return _bootstrapped(pairs, seed, lambda drawn: sum(a - b for a, b in drawn) / len(drawn))


def median_of_ratios(pairs: Pairs, seed: int = 0) -> Ratio:
    """Median of each pair's ratio. Raises ValueError if there are no pairs."""
    return _bootstrapped(pairs, seed, lambda drawn: median(_over(a, b) for a, b in drawn))


def _bootstrapped(pairs: Pairs, seed: int, figure: _Figure) -> Ratio:
    if not pairs:
        raise ValueError("no pairs, no ratio")
    rng = Random(seed)
    drawn = [figure(rng.choices(pairs, k=len(pairs))) for _ in range(ROUNDS)]
    return Ratio(figure(pairs), percentile(drawn, 2.5), percentile(drawn, 97.5))


def _over(value: float, base: float) -> float:
    return value / base if base else float("inf")
