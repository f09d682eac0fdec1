"""Measures how often kept results are reused and collections change, and derives the results' TTL."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from deployments.core.ids import Scope

MIN_RETRIEVAL_TTL_S = 60

_WEIGHT = 0.1
"""The weight of the latest interval in a moving mean, which covers about the last twenty intervals."""
_KEPT_SCOPES = 1000
_REUSES = 4
"""How many mean intervals a TTL covers. If uses are random, one gap in fifty is longer than that."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Mean intervals in one scope."""

    reuse_s: float | None = None
    """Mean seconds between two uses of an entry; None while none was measured."""
    update_s: float | None = None
    """Mean seconds between two changes of the collection; None while none was measured."""


def retrieval_ttl_s(rhythm: Rhythm, max_s: int) -> int:
    """The TTL of a retrieval in seconds, between `MIN_RETRIEVAL_TTL_S` and `max_s`.

    It covers several mean intervals between uses, but at most the mean interval between changes of the
    collection, because a change makes all its entries useless. While no interval between uses was
    measured, it is `max_s`, unless the collection changes more often.
    """
    wanted_s = float(max_s) if rhythm.reuse_s is None else _REUSES * rhythm.reuse_s
    useful_s = wanted_s if rhythm.update_s is None else min(wanted_s, rhythm.update_s)
    return math.ceil(min(max(useful_s, MIN_RETRIEVAL_TTL_S), max_s))


@dataclass(slots=True)
class _Means:
    reuse_s: float | None = None
    update_s: float | None = None
    changed_s: float | None = None
    """When the collection last changed; None before the first change."""


class Rhythms:
    """Moving means by scope, as this process sees them. Forgets the least recently used scopes first."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives seconds."""
        self._clock = clock
        self._means: OrderedDict[Scope, _Means] = OrderedDict()

    def reused(self, scope: Scope, after_s: float) -> None:
        """Records that an entry was used again, `after_s` seconds after its last use."""
        means = self._of(scope)
        means.reuse_s = _mean(means.reuse_s, after_s)

    def changed(self, scope: Scope) -> None:
        """Records that a collection has changed now."""
        means, now_s = self._of(scope), self._clock()
        if means.changed_s is not None:
            means.update_s = _mean(means.update_s, now_s - means.changed_s)
        means.changed_s = now_s

    def of(self, scope: Scope) -> Rhythm:
        """The means so far. `update_s` is the time since the last change where that is longer."""
        means = self._means.get(scope, _Means())
        update_s = means.update_s
        if update_s is not None and means.changed_s is not None:
            update_s = max(update_s, self._clock() - means.changed_s)
        return Rhythm(means.reuse_s, update_s)

    def _of(self, scope: Scope) -> _Means:
        means = self._means.setdefault(scope, _Means())
        self._means.move_to_end(scope)
        if len(self._means) > _KEPT_SCOPES:
            self._means.popitem(last=False)
        return means


def _mean(mean: float | None, value: float) -> float:
    return value if mean is None else mean + _WEIGHT * (value - mean)
