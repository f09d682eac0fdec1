"""What is used most: counts that replicas send to the shared store, and the paths that are hottest there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployments.core.ids import Scope, SegmentKey


@dataclass(frozen=True, slots=True)
class CountBatch:
    """Counts of one writer, which sends them again unchanged until the store has confirmed them."""

    writer: str
    """Random, for each replica and scope."""
    number: int
    """From 1, one more for each batch of the writer."""
    increments: Mapping[str, float]
    """By counter."""
    uses: Mapping[SegmentKey, int]
    """Prompts with each segment."""


@dataclass(frozen=True, slots=True)
class HotPath:
    """A beginning that many prompts of a scope share."""

    scope: Scope
    keys: tuple[SegmentKey, ...]
    """The documents' segments, in order."""
    heat: float
    """How often and how lately it was asked for. Only comparisons have a meaning."""
