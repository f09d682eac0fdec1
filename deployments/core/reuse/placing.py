"""Order and replica in one decision: state in, decision out.

A prompt's cost in a replica is what is not resident there plus what waits there already, both in tokens to
prefill. The replica of the least cost gets it, in the order that its tree knows.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from deployments.core.reuse.ordering import Candidate, OrderPolicy
from deployments.core.reuse.paths import SegmentId, segment_id
from deployments.core.reuse.replica_view import SEARCHED_NODES, ReplicaView, ResidentPath

BestAt = Literal["first", "last"]
"""Where the most relevant document stands, whatever is resident."""

TIE_TOKENS = 32
"""Costs that exceed the least by less are equal, and equals are chosen from at random: many callers that see
the same state at the same time must not all go to the same replica."""
SEARCHED_IN_ALL = 4 * SEARCHED_NODES
"""Where there are many replicas, each is searched less thoroughly: a decision takes a few ms at most."""


@dataclass(frozen=True, slots=True)
class Placing:
    """A permutation of the candidates, and the replicas to try, best first (() where none is known).

    `cached_tokens` is what the first of them is expected to reuse.
    """

    order: list[int]
    replicas: tuple[str, ...] = ()
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """A replica as a caller sees it: its tree, and the tokens known to wait there."""

    view: ReplicaView
    pending_tokens: int


def place(
    candidates: Sequence[Candidate],
    head: SegmentId,
    prompt_tokens: int,
    replicas: Sequence[ReplicaState],
    *,
    order: OrderPolicy,
    follow: bool,
    best: BestAt | None = None,
    rng: random.Random,
) -> Placing:
    """Decides. `head` opens the prompt. With `follow` the documents come in the order that is resident, and
    those of which none is in that of `order`; without, all of them come in that of `order`. With `best` that
    holds for all but the first in rank, which stands before or after all others.
    """
    wanted = [segment_id(candidate.key) for candidate in candidates]
    fixed = [0] if best and len(candidates) > 1 else []
    first, last = (fixed, []) if best == "first" else ([], fixed)
    moved = [i + len(fixed) for i in order(candidates[len(fixed) :])]
    if not replicas:
        return Placing(first + moved + last)
    if follow:
        lengths = {wanted[i]: candidates[i].tokens for i in moved}
        some, tokens = tuple(lengths), sum(lengths.values())
        searched = min(SEARCHED_NODES, SEARCHED_IN_ALL // len(replicas) + 1)
        begin = [wanted[i] for i in first]
        found = [state.view.longest_path(head, some, tokens, searched, begin) for state in replicas]
        if last:
            found = [
                _with_last(state.view, head, path, len(moved), wanted[0])
                for state, path in zip(replicas, found, strict=True)
            ]
    else:
        along = [wanted[i] for i in first + moved + last]
        found = [state.view.path_along(head, along) for state in replicas]
    costs = [
        max(prompt_tokens - path.cached_tokens, 0) + state.pending_tokens
        for state, path in zip(replicas, found, strict=True)
    ]
    least = min(costs)
    ranked = sorted(range(len(found)), key=lambda i: ((costs[i] - least) // TIE_TOKENS, rng.random()))
    chosen = found[ranked[0]]
    resident = chosen.segments[len(first) :]
    return Placing(
        order=first + (_continued(candidates, wanted, moved, resident, order) if follow else moved) + last,
        replicas=tuple(replicas[i].view.replica for i in ranked),
        cached_tokens=chosen.cached_tokens,
    )


def _with_last(
    view: ReplicaView, head: SegmentId, path: ResidentPath, moved: int, last: SegmentId
) -> ResidentPath:
    """The path, and after it the last document where all that moves stands before that."""
    return path if len(path.segments) < moved else view.path_along(head, (*path.segments, last))


def _continued(
    candidates: Sequence[Candidate],
    wanted: Sequence[SegmentId],
    moved: Sequence[int],
    resident: Sequence[SegmentId],
    rest: OrderPolicy,
) -> list[int]:
    """What moves: the resident path, then the others by `rest`."""
    at: dict[SegmentId, int] = {}
    for index in sorted(moved):
        at.setdefault(wanted[index], index)
    leading = [at[segment] for segment in resident if segment in at]
    taken = set(leading)
    others = [index for index in sorted(moved) if index not in taken]
    return leading + [others[i] for i in rest([candidates[i] for i in others])]
