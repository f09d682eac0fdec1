"""How often kept results are used again and collections change, and so how long results are worth keeping."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from deployments.core.ids import Scope

LEAST_RETRIEVAL_TTL_S = 60

_WEIGHT = 0.1
"""The weight of the latest interval in a mean, which so covers about the last twenty."""
_KEPT_SCOPES = 1000
_REUSES = 4
"""A TTL covers so many mean intervals: uses at random times leave a longer gap once in fifty times."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Mean intervals in one scope."""

    reuse_s: float | None = None
    """Mean seconds between two uses of an entry; None before the first was measured."""
    update_s: float | None = None
    """Mean seconds between two changes of the collection; None before the first was measured."""


def retrieval_ttl_s(rhythm: Rhythm, most_s: int) -> int:
    """How many seconds a retrieval is worth keeping: between `LEAST_RETRIEVAL_TTL_S` and `most_s`.

    It covers several mean intervals between uses, but no more than the mean interval between changes of the
    collection, since a change makes all its entries useless. Without a measured interval between uses, it
    covers `most_s`.
    """
    wanted_s = float(most_s) if rhythm.reuse_s is None else _REUSES * rhythm.reuse_s
    useful_s = wanted_s if rhythm.update_s is None else min(wanted_s, rhythm.update_s)
    return math.ceil(min(max(useful_s, LEAST_RETRIEVAL_TTL_S), most_s))


@dataclass(slots=True)
class _Seen:
    reuse_s: float | None = None
    update_s: float | None = None
    changed_s: float | None = None


class Rhythms:
    """Moving means by scope, as this process sees them. Least recently used scopes are forgotten first."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives seconds."""
        self._clock = clock
        self._seen: OrderedDict[Scope, _Seen] = OrderedDict()

    def reused(self, scope: Scope, after_s: float) -> None:
        """Counts that an entry was used again, `after_s` seconds after its last use."""
        seen = self._of(scope)
        seen.reuse_s = _mean(seen.reuse_s, after_s)

    def changed(self, scope: Scope) -> None:
        """Counts that a collection has changed now."""
        seen, now_s = self._of(scope), self._clock()
        if seen.changed_s is not None:
            seen.update_s = _mean(seen.update_s, now_s - seen.changed_s)
        seen.changed_s = now_s

    def of(self, scope: Scope) -> Rhythm:
        """The means so far. The time since the last change counts where it is longer than their mean."""
        seen = self._seen.get(scope, _Seen())
        update_s = seen.update_s
        if update_s is not None and seen.changed_s is not None:
            update_s = max(update_s, self._clock() - seen.changed_s)
        return Rhythm(seen.reuse_s, update_s)

    def _of(self, scope: Scope) -> _Seen:
        seen = self._seen.setdefault(scope, _Seen())
        self._seen.move_to_end(scope)
        if len(self._seen) > _KEPT_SCOPES:
            self._seen.popitem(last=False)
        return seen


def _mean(mean: float | None, value: float) -> float:
    return value if mean is None else mean + _WEIGHT * (value - mean)
