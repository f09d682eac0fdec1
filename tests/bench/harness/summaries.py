"""Figures of a sample: medians, percentiles, and ratios of paired samples with their spread. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import floor
from random import Random
from statistics import median

Pairs = Sequence[tuple[float, float]]
_Figure = Callable[[Pairs], float]

ROUNDS = 2000
"""Of the bootstrap."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Of `n` values, in their unit."""

    n: int
    median: float
    p95: float
    p99: float

    def as_dict(self, digits: int = 3) -> dict[str, float]:
        """For the report."""
        return {name: round(value, digits) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio and the interval that 95 % of the bootstrap's samples lie in."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"

    def as_dict(self) -> dict[str, float]:
        """For the report."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def summary(values: Sequence[float]) -> Summary:
    """Raises ValueError without values."""
    return Summary(len(values), percentile(values, 50), percentile(values, 95), percentile(values, 99))


def percentile(values: Sequence[float], percent: float) -> float:
    """Between two values, the part of the way. Raises ValueError without values."""
    if not values:
        raise ValueError("no values, no percentile")
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def ratio_of_medians(pairs: Pairs, seed: int = 0) -> Ratio:
    """Median of the first over median of the second; pairs are drawn anew, whole, for the spread.

    Raises ValueError without pairs.
    """
    return _bootstrapped(
        pairs, seed, lambda drawn: _over(median(a for a, _ in drawn), median(b for _, b in drawn))
    )


def ratio_of_sums(pairs: Pairs, seed: int = 0) -> Ratio:
    """As `ratio_of_medians`, of the sums."""
    return _bootstrapped(pairs, seed, lambda drawn: _over(sum(a for a, _ in drawn), sum(b for _, b in drawn)))


def mean_difference(pairs: Pairs, seed: int = 0) -> Ratio:
    """The mean of first minus second; an interval, not a ratio. Raises ValueError without pairs."""
    return _bootstrapped(pairs, seed, lambda drawn: sum(a - b for a, b in drawn) / len(drawn))


def median_of_ratios(pairs: Pairs, seed: int = 0) -> Ratio:
    """The median of the pairs' own ratios."""
    return _bootstrapped(pairs, seed, lambda drawn: median(_over(a, b) for a, b in drawn))


def _bootstrapped(pairs: Pairs, seed: int, figure: _Figure) -> Ratio:
    if not pairs:
        raise ValueError("no pairs, no ratio")
    rng = Random(seed)
    drawn = [figure(rng.choices(pairs, k=len(pairs))) for _ in range(ROUNDS)]
    return Ratio(figure(pairs), percentile(drawn, 2.5), percentile(drawn, 97.5))


def _over(value: float, base: float) -> float:
    return value / base if base else float("inf")
