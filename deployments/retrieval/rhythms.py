"""How often entries are used again, and how often collections change, as this process sees it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from deployments.core.ids import Scope
from deployments.core.retrievals import Rhythm

_WEIGHT = 0.1
"""Of the latest interval in a mean: about the last twenty count."""
_KEPT_SCOPES = 1000


@dataclass(slots=True)
class _Seen:
    reuse_s: float | None = None
    update_s: float | None = None
    changed_s: float | None = None


class Rhythms:
    """Moving means by scope, of those that were met last; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: OrderedDict[Scope, _Seen] = OrderedDict()

    def reused(self, scope: Scope, after_s: float) -> None:
        """An entry was used again, `after_s` seconds after its last use."""
        seen = self._of(scope)
        seen.reuse_s = _mean(seen.reuse_s, after_s)

    def changed(self, scope: Scope) -> None:
        """A collection has changed."""
        seen, now_s = self._of(scope), self._clock()
        if seen.changed_s is not None:
            seen.update_s = _mean(seen.update_s, now_s - seen.changed_s)
        seen.changed_s = now_s

    def of(self, scope: Scope) -> Rhythm:
        """What was seen. A change that does not come makes the mean longer as well."""
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
