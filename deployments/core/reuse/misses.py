"""Why an engine had to prefill documents of a prompt, as far as a caller can know.

`foresee` tells before the call which documents the chosen replica lacks, and why. `missed` compares that with
the number of tokens that the engine found. Pure.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from deployments.core.reuse.paths import SegmentId
from deployments.core.reuse.replica_view import ReplicaView

MAX_DEPARTED = 50_000
"""Segments whose eviction one process remembers, about 8 MB; the earliest is forgotten first."""


class Cause(StrEnum):
    """Why a document's tokens were not in the engine's cache."""

    NEVER_SEEN = "never_seen"
    """No replica is known to have held the passage."""
    CHANGED = "changed"
    """The document has a new version; passages of the former one were used before."""
    EVICTED = "evicted"
    """The replica held it and has evicted it, or some of its blocks."""
    ORDER = "order"
    """The replica holds it after other documents than those of this prompt."""
    REPLICA = "replica"
    """Another replica holds it, but had too much to do or held less of the rest; or another one than the
    chosen served the prompt."""
    UNALIGNED = "unaligned"
    """The replica holds it, apart from its last tokens, which do not fill a block of the cache."""
    EVENTS_LOST = "events_lost"
    """The replica was believed to hold it, but events about its cache are missing."""


@dataclass(frozen=True, slots=True)
class Absence:
    """Why a replica is expected to lack a document."""

    cause: Cause
    evicted_ago_s: float | None = None
    """Seconds since this process learned of the eviction; None for other causes."""


@dataclass(frozen=True, slots=True)
class Miss:
    """A document of a prompt that was prefilled, or a part of it."""

    index: int
    """Its place among the prompt's documents."""
    tokens: int
    """How many of its tokens were prefilled."""
    why: Absence


class Departed:
    """Segments that no replica holds any more, of all tenants. `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float], limit: int = MAX_DEPARTED) -> None:
        self._clock = clock
        self._limit = limit
        self._since_s: OrderedDict[tuple[str, SegmentId], float] = OrderedDict()

    def add(self, salt: str, segments: Iterable[SegmentId]) -> None:
        """Records that a replica has evicted segments of the tenant with this salt."""
        now_s = self._clock()
        for segment in segments:
            self._since_s[salt, segment] = now_s
            self._since_s.move_to_end((salt, segment))
        while len(self._since_s) > self._limit:
            self._since_s.popitem(last=False)

    def ago_s(self, salt: str, segment: SegmentId) -> float | None:
        """Seconds since a replica evicted a segment; None if no eviction is remembered."""
        since_s = self._since_s.get((salt, segment))
        return None if since_s is None else self._clock() - since_s


_NEVER_SEEN: Final = Absence(Cause.NEVER_SEEN)
_CHANGED: Final = Absence(Cause.CHANGED)
_ORDER: Final = Absence(Cause.ORDER)
_REPLICA: Final = Absence(Cause.REPLICA)
_UNALIGNED: Final = Absence(Cause.UNALIGNED)
_EVENTS_LOST: Final = Absence(Cause.EVENTS_LOST)


def foresee(
    path: Sequence[SegmentId],
    resident: int,
    views: Sequence[ReplicaView],
    evicted_ago_s: Callable[[SegmentId], float | None],
    changed: Callable[[int], bool],
) -> tuple[Absence | None, ...]:
    """Why each document of a prompt is expected to be absent; None for one that is expected to be there.

    `path` has the documents in the prompt's order; the first `resident` of them are cached. The first of
    `views` is the chosen replica's. `changed` tells by a document's place whether it has a new version.
    """

    def absence(index: int, segment: SegmentId) -> Absence | None:
        if index < resident:
            return None
        for number, view in enumerate(views):
            if view.holds(segment):
                return _REPLICA if number else _ORDER
        if (ago_s := evicted_ago_s(segment)) is not None:
            return Absence(Cause.EVICTED, ago_s)
        return _CHANGED if changed(index) else _NEVER_SEEN

    return tuple(absence(index, segment) for index, segment in enumerate(path))


@dataclass(frozen=True, slots=True)
class Found:
    """What an engine replica found of a prompt."""

    tokens: int
    """Leading tokens of the prompt that were cached."""
    block_size: int
    """Tokens in a block of the cache."""
    elsewhere: bool
    """Whether another replica served the prompt than the chosen one."""
    estimated: bool
    """Whether the replica's cache was known by an estimate, without events about it."""


def missed(
    head_tokens: int, lengths: Sequence[int], absences: Sequence[Absence | None], found: Found
) -> tuple[Miss, ...]:
    """The documents that were prefilled, in the prompt's order, with the cause of each.

    `lengths` has the documents' numbers of tokens, in the prompt's order; they follow `head_tokens` tokens.
    """
    misses = []
    end = head_tokens
    for index, (length, absence) in enumerate(zip(lengths, absences, strict=True)):
        end += length
        tokens = min(end - found.tokens, length)
        if tokens > 0:
            misses.append(Miss(index, tokens, _cause(absence, tokens, length, found)))
    return tuple(misses)


def _cause(foreseen: Absence | None, tokens: int, length: int, found: Found) -> Absence:
    """Why tokens of a document are absent. What was foreseen of the chosen replica may not hold elsewhere."""
    if foreseen is not None and not (found.elsewhere and foreseen.cause is Cause.ORDER):
        return foreseen
    if found.elsewhere:
        return _REPLICA
    if tokens < min(found.block_size, length):
        return _UNALIGNED
    if found.estimated:
        return _EVENTS_LOST
    return Absence(Cause.EVICTED, 0.0)
