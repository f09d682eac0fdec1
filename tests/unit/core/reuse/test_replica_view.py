"""A reader's view: which updates it takes, and what its searches find."""

from __future__ import annotations

from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.reuse.paths import (
    GONE,
    ROOT,
    Change,
    Known,
    NodeId,
    ResidencyUpdate,
    SegmentId,
    node_id,
    pack_changes,
)
from deployments.core.reuse.replica_view import SEARCHED_NODES, ReplicaView, ResidentPath

HEAD = SegmentId(99)
A, B, C, D = map(SegmentId, range(4))


def change(*segments: int, cached_to: int) -> Change:
    """The state of the path HEAD, *segments."""
    name = parent = ROOT
    for segment in (HEAD, *segments):
        parent, name = name, node_id(name, SegmentId(segment))
    return Change(name, parent, SegmentId((HEAD, *segments)[-1]), cached_to)


def update(*changes, since=None, version=None, epoch="e", pending=0, estimated=False):
    """The next one, unless told otherwise."""
    version = (since or 0) + len(changes) if version is None else version
    return ResidencyUpdate("r", epoch, since, version, pack_changes(changes), pending, estimated)


def view_of(paths):
    """Of paths given as segments with what each brings beyond the one before it."""
    view, states = ReplicaView("r"), {(): 32}
    for path in paths:
        cached_to = 32
        for length in range(1, len(path) + 1):
            cached_to += path[length - 1][1]
            states[tuple(s for s, _ in path[:length])] = cached_to
    view.apply(update(*(change(*names, cached_to=to) for names, to in sorted(states.items(), key=depth))))
    return view, states


def depth(state):
    """Parents come first."""
    return len(state[0])


lengths = dict(zip(range(6), [40, 32, 64, 96, 32, 200], strict=True))
orders = st.lists(st.integers(0, 5), unique=True, max_size=6).map(
    lambda order: [(segment, lengths[segment]) for segment in order]
)


@given(st.lists(orders, max_size=30), st.lists(st.integers(0, 7), unique=True), st.booleans())
def test_the_longest_path_is_the_best_of_all(paths, wanted, told):
    """Against trying every path; whether the search knows how much there is to find or not."""
    view, states = view_of(paths)
    tokens = sum(lengths.get(segment, 10) for segment in wanted) if told else None
    path = view.longest_path(HEAD, wanted, tokens)
    best = max(to for names, to in states.items() if set(names) <= set(wanted))
    assert states[path.segments] == path.cached_tokens
    assert set(path.segments) <= set(wanted)
    assert best - 32 < path.cached_tokens <= best
    if not told:
        assert path.cached_tokens == best


@given(st.lists(orders, max_size=20), orders)
def test_along_an_order_the_path_is_what_of_it_is_there(paths, asked):
    """Nothing is moved, and nothing left out in between."""
    view, states = view_of(paths)
    ordered = [SegmentId(segment) for segment, _ in asked]
    path = view.path_along(HEAD, ordered)
    prefixes = [tuple(ordered[:length]) for length in range(len(ordered) + 1)]
    assert path.segments in prefixes
    assert path.cached_tokens == max(states.get(prefix, 0) for prefix in prefixes)


def test_of_two_ways_to_the_same_the_shorter_path_counts():
    """A segment that saves nothing is left to the order of the rest."""
    view, _ = view_of([[(A, 32), (B, 0)]])
    assert view.longest_path(HEAD, [A, B]) == view.path_along(HEAD, [A, B]) == ResidentPath((A,), 64)


def test_another_head_finds_nothing():
    """Prompts with another head begin with other tokens, whatever follows."""
    view, _ = view_of([[(A, 32)]])
    assert view.longest_path(SegmentId(98), [A]) == ResidentPath((), 0)
    assert view.path_along(SegmentId(98), [A]) == ResidentPath((), 0)
    assert ReplicaView("r").longest_path(HEAD, [A]) == ResidentPath((), 0)


def test_a_segment_leads_once_however_often_it_is_wanted():
    """Two passages of the same text; the second comes after what is resident."""
    view, _ = view_of([[(A, 32), (A, 32), (A, 32)]])
    assert view.longest_path(HEAD, [A, A]) == ResidentPath((A,), 64)
    assert view.path_along(HEAD, [A, A]) == ResidentPath((A, A), 96)


def test_among_all_orders_the_first_that_is_complete_will_do():
    """720 paths of the same documents: the search goes straight down, wherever it begins."""
    view, _ = view_of([(segment, lengths[segment]) for segment in order] for order in permutations(lengths))
    total = sum(lengths.values())
    for wanted in permutations(map(SegmentId, lengths)):
        assert view.longest_path(HEAD, wanted, total, searched=7) == ResidentPath(wanted, 32 + total)


def test_a_search_is_bounded_and_tries_first_what_is_wanted_first():
    """Far more paths than it looks at, none complete: it still finds a long one."""
    random = Random(0)
    paths = [[(n, 32) for n in random.sample(range(12), 5)] for _ in range(5000)]
    view, states = view_of(paths)
    assert len(view) > 10 * SEARCHED_NODES
    path = view.longest_path(HEAD, [*map(SegmentId, range(12))], 12 * 32)
    assert path.cached_tokens == states[path.segments] == 32 * 6
    assert path.segments[0] == 0
    assert view.longest_path(HEAD, [A], searched=1) == ResidentPath((), 32)


def test_an_update_that_overlaps_continues_where_the_view_is():
    """Two answers may tell of the same change, and come in either order."""
    view = ReplicaView("r")
    view.apply(update(change(cached_to=32), change(A, cached_to=64)))
    late = update(change(A, cached_to=96), change(A, cached_to=128), since=2)
    overlapping = update(change(A, cached_to=64), change(A, cached_to=96), change(A, cached_to=128), since=1)
    view.apply(overlapping)
    assert view.known == Known("r", "e", 4)
    view.apply(late)
    assert view.known == Known("r", "e", 4)
    assert view.longest_path(HEAD, [A]).cached_tokens == 128


@pytest.mark.parametrize(
    "useless",
    [
        update(change(A, cached_to=64), since=4, pending=9),  # a gap
        update(change(A, cached_to=64), since=0, pending=9),  # older
        update(change(A, cached_to=64), since=2, epoch="f", pending=9),  # another life
        update(change(A, cached_to=64), version=1, pending=9, estimated=True),  # a whole tree, overtaken
    ],
)
def test_what_does_not_continue_changes_nothing(useless):
    """Neither tree nor version nor load."""
    view = ReplicaView("r")
    view.apply(update(change(cached_to=32), change(A, cached_to=96), pending=5))
    view.apply(useless)
    assert view.known == Known("r", "e", 2)
    assert view.longest_path(HEAD, [A]) == ResidentPath((A,), 96)
    assert (view.pending_tokens, view.estimated, len(view)) == (5, False, 2)


def test_a_whole_tree_replaces_what_was_known():
    """Of another epoch always; of the same epoch unless it is older."""
    view = ReplicaView("r")
    view.apply(update(change(cached_to=32), change(A, cached_to=96)))
    view.apply(update(change(cached_to=32), change(B, cached_to=64), version=2))
    assert view.longest_path(HEAD, [A, B]) == ResidentPath((B,), 64)
    view.apply(update(change(cached_to=64), version=1, epoch="f", pending=3, estimated=True))
    assert view.longest_path(HEAD, [A, B]) == ResidentPath((), 64)
    assert view.known == Known("r", "f", 1)
    assert (view.pending_tokens, view.estimated) == (3, True)


def test_a_path_that_goes_takes_with_it_what_continues_it():
    """Later changes of these paths, or of a path after an unknown one, are no error."""
    view = ReplicaView("r")
    view.apply(
        update(
            change(cached_to=32), change(A, cached_to=64), change(A, B, cached_to=96), change(C, cached_to=64)
        )
    )
    view.apply(update(change(A, cached_to=GONE), since=4))
    assert len(view) == 2
    view.apply(update(change(A, B, cached_to=GONE), change(D, A, cached_to=96), since=5))
    assert len(view) == 2
    assert view.longest_path(HEAD, [A, B, D]) == ResidentPath((), 32)
    assert view.longest_path(HEAD, [A, B, C]) == ResidentPath((C,), 64)
    view.apply(update(change(A, cached_to=64), since=7))
    assert view.longest_path(HEAD, [A, B]) == ResidentPath((A,), 64)
    view.apply(update(Change(NodeId(7), NodeId(8), A, GONE), since=8))
    assert view.known.version == 9
