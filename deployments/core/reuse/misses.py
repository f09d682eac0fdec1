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
    """No prompt is known to have had the passage."""
    CHANGED = "changed"
    """The document has a new version; a prompt had the passage in a former one."""
    EVICTED = "evicted"
    """The replica held it and has evicted it, or some of its blocks."""
    ORDER = "order"
    """The replica holds it after other text than that of this prompt."""
    REPLICA = "replica"
    """Another replica holds it, but had too much to do or held less of the rest; or another one than the
    chosen served the prompt."""
    UNALIGNED = "unaligned"
    """Only its last tokens were prefilled, which do not fill a block of the cache; of a short passage, these
    can be all."""
    EVENTS_LOST = "events_lost"
    """The replica was believed to hold it, but events about its cache are missing."""


@dataclass(frozen=True, slots=True)
class Absence:
    """Why a replica is expected to lack a document."""

    cause: Cause
    evicted_ago_s: float | None = None
    """Seconds since this process learned of the eviction; None if it has not, and for other causes."""


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
_EVICTED: Final = Absence(Cause.EVICTED)
_EVICTED_NOW: Final = Absence(Cause.EVICTED, 0.0)
_ORDER: Final = Absence(Cause.ORDER)
_REPLICA: Final = Absence(Cause.REPLICA)
_UNALIGNED: Final = Absence(Cause.UNALIGNED)
_EVENTS_LOST: Final = Absence(Cause.EVENTS_LOST)

_TELLS_OF_THE_PASSAGE = frozenset({Cause.NEVER_SEEN, Cause.CHANGED})
"""Causes that hold in every replica and whatever was found of the prompt."""


def foresee(
    path: Sequence[SegmentId],
    resident: int,
    views: Sequence[ReplicaView],
    evicted_ago_s: Callable[[SegmentId], float | None],
    changed: Callable[[int], bool | None],
) -> tuple[Absence | None, ...]:
    """Why each document of a prompt is expected to be absent; None for one that is expected to be there.

    `path` has the documents in the prompt's order; the first `resident` of them are cached. The first of
    `views` is the chosen replica's. `changed` tells by a document's place whether its passage was used in
    another version before; None if it was not used at all.
    """

    def absence(index: int, segment: SegmentId) -> Absence | None:
        if index < resident:
            return None
        for number, view in enumerate(views):
            if view.holds(segment):
                return _REPLICA if number else _ORDER
        if (ago_s := evicted_ago_s(segment)) is not None:
            return Absence(Cause.EVICTED, ago_s)
        used_as = changed(index)
        if used_as is None:
            return _NEVER_SEEN
        return _CHANGED if used_as else _EVICTED

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
            # The block in which a document ends is whole only together with the document after it.
            ends_path = index + 1 == len(lengths) or absences[index + 1] is not None
            unaligned = ends_path and end - found.tokens < found.block_size
            misses.append(Miss(index, tokens, _cause(absence, found, unaligned=unaligned)))
    return tuple(misses)


def _cause(foreseen: Absence | None, found: Found, *, unaligned: bool) -> Absence:
    """Why tokens of a document are absent. What was foreseen of the chosen replica may not hold elsewhere.

    `unaligned`: all blocks that the document fills were found.
    """
    if foreseen is not None and foreseen.cause in _TELLS_OF_THE_PASSAGE:
        return foreseen
    if unaligned:
        return _UNALIGNED
    if foreseen is not None and foreseen.cause is Cause.EVICTED:
        return foreseen
    if found.elsewhere:
        return _REPLICA
    if foreseen is not None:
        return foreseen
    return _EVENTS_LOST if found.estimated else _EVICTED_NOW
