"""Batches of counts with increasing numbers, for tests of counter stores."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

from deployments.core.counted_use import CountBatch
from deployments.core.ids import Scope, SegmentKey
from deployments.core.ports import CounterStore

_numbers = count(1)


def batch(
    increments: Mapping[str, float] | None = None, uses: Mapping[SegmentKey, int] | None = None
) -> CountBatch:
    """Returns the next batch of one writer."""
    return CountBatch("tests", next(_numbers), increments or {}, uses or {})


async def totals(counters: CounterStore, scope: Scope) -> dict[str, float]:
    """Reads a scope's counters, without changing them."""
    return await counters.record(scope, batch())
