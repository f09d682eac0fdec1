"""Chooses the order of a prompt's documents and its replica, in one decision.

A prompt's cost in a replica is the number of its tokens that the replica would prefill, plus a part of
those that it would load from host memory, and of those that wait there already. The replica of least cost
gets the prompt, with its documents in the order that this replica's tree has them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from deployments.core.reuse.ordering import Candidate, Order, Sorting
from deployments.core.reuse.paths import SegmentId, segment_id
from deployments.core.reuse.replica_view import SEARCHED_NODES, ReplicaView, ResidentPath

TIE_TOKENS = 32
"""Costs that exceed the least by less count as equal. `place` chooses between equals at random: many
callers that see the same state at the same time must not all choose the same replica."""
WAITING_PER_TOKEN = 10
"""So many waiting tokens cost as much as one to be prefilled. A prompt that avoids a queue waits less itself,
but where its documents are not resident it lengthens the queue for all others and evicts what they need."""
SEARCHED_IN_ALL = 4 * SEARCHED_NODES
"""Bound of a decision, which so takes a few ms at most: of many replicas, each is searched less."""


@dataclass(frozen=True, slots=True)
class Placing:
    """A decision."""

    order: list[int]
    """A permutation of the candidates' indexes."""
    replicas: tuple[str, ...] = ()
    """The replicas to try, best first; () where none is known."""
    cached_tokens: int = 0
    """Prompt tokens that the first replica is expected to reuse."""
    resident: int = 0
    """How many documents, the first ones in `order`, these tokens are of, at least in part."""
    estimated: bool = False
    """Whether events about the first replica's cache were missing."""


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """A replica as a caller sees it."""

    view: ReplicaView
    pending_tokens: int
    """Prompt tokens that wait to be prefilled there."""


def place(
    candidates: Sequence[Candidate],
    head: SegmentId,
    prompt_tokens: int,
    replicas: Sequence[ReplicaState],
    *,
    order: Order,
    rng: random.Random,
    begin: Sequence[SegmentId] = (),
) -> Placing:
    """Orders a prompt's documents and ranks the replicas for it.

    `candidates` are the documents in rank order. `head` names the segment that opens the prompt, `begin`
    the further ones before the documents. `prompt_tokens` counts the whole prompt. `rng` chooses between
    replicas of equal cost.
    """
    wanted = [segment_id(candidate.key) for candidate in candidates]
    fixed = [0] if order.best and len(candidates) > 1 else []
    first, last = (fixed, []) if order.best == "first" else ([], fixed)
    moved = [i + len(fixed) for i in order.sorting(candidates[len(fixed) :])]
    if not replicas:
        return Placing(first + moved + last)
    if order.follow_resident:
        lengths = {wanted[i]: candidates[i].tokens for i in moved}
        segments, tokens = tuple(lengths), sum(lengths.values())
        searched = min(SEARCHED_NODES, SEARCHED_IN_ALL // len(replicas) + 1)
        begun = [*begin, *(wanted[i] for i in first)]
        found = [state.view.longest_path(head, segments, tokens, searched, begun) for state in replicas]
        if last:
            found = [
                _with_last(state.view, head, path, len(begin) + len(moved), wanted[0])
                for state, path in zip(replicas, found, strict=True)
            ]
    else:
        ordered = [*begin, *(wanted[i] for i in first + moved + last)]
        found = [state.view.path_along(head, ordered) for state in replicas]
    costs = [
        max(prompt_tokens - path.saved_tokens, 0) + state.pending_tokens // WAITING_PER_TOKEN
        for state, path in zip(replicas, found, strict=True)
    ]
    least = min(costs)
    ranked = sorted(range(len(found)), key=lambda i: ((costs[i] - least) // TIE_TOKENS, rng.random()))
    chosen = found[ranked[0]]
    if order.follow_resident:
        resident = chosen.segments[len(begin) + len(first) :]
        moved = _resident_first(candidates, wanted, moved, resident, order.sorting)
    return Placing(
        order=first + moved + last,
        replicas=tuple(replicas[i].view.replica for i in ranked),
        cached_tokens=chosen.cached_tokens,
        resident=max(len(chosen.segments) - len(begin), 0),
        estimated=replicas[ranked[0]].view.estimated,
    )


def _with_last(
    view: ReplicaView, head: SegmentId, path: ResidentPath, others: int, last: SegmentId
) -> ResidentPath:
    """Extends the path by the last document if all `others` before it are already on it."""
    return path if len(path.segments) < others else view.path_along(head, (*path.segments, last))


def _resident_first(
    candidates: Sequence[Candidate],
    wanted: Sequence[SegmentId],
    moved: Sequence[int],
    resident: Sequence[SegmentId],
    sorting: Sorting,
) -> list[int]:
    """The indexes `moved`: first those on the resident path, in its order, then the others, sorted."""
    index_of: dict[SegmentId, int] = {}
    for index in sorted(moved):
        index_of.setdefault(wanted[index], index)
    leading = [index_of[segment] for segment in resident if segment in index_of]
    taken = set(leading)
    others = [index for index in sorted(moved) if index not in taken]
    return leading + [others[i] for i in sorting([candidates[i] for i in others])]
