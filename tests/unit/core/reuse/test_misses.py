"""A miss names its cause, and the misses are what the engine prefilled of the documents."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deployments.core.reuse.misses import Absence, Cause, Departed, Found, foresee, missed
from deployments.core.reuse.paths import GONE, ROOT, Change, ResidencyUpdate, SegmentId, node_id, pack_changes
from deployments.core.reuse.replica_view import ReplicaView

HEAD = SegmentId(1)
A, B, C, D = (SegmentId(number) for number in range(10, 14))
BLOCK = 16


def path_changes(*path: SegmentId, gone: bool = False) -> list[Change]:
    """The changes that add a path after the head to a view, or remove its last segment."""
    changes, parent = [], ROOT
    for depth, segment in enumerate((HEAD, *path), 1):
        node = node_id(parent, segment)
        changes.append(Change(node, parent, segment, depth * BLOCK))
        parent = node
    return [changes[-1]._replace(cached_to=GONE)] if gone else changes


class Replica:
    """A view and the version that the next update has."""

    def __init__(self, name: str) -> None:
        self.view = ReplicaView(name)
        self.version = 0

    def report(self, changes: list[Change], *, whole: bool = False) -> set[SegmentId]:
        since = self.version if self.version and not whole else None
        self.version += len(changes)
        return self.view.apply(
            ResidencyUpdate(self.view.replica, "e", since, self.version, pack_changes(changes), 0)
        )


def never(_: object) -> None:
    return None


def causes(absences: tuple[Absence | None, ...]) -> list[Cause | None]:
    return [None if absence is None else absence.cause for absence in absences]


def test_a_view_tells_which_segments_its_replica_evicted() -> None:
    replica = Replica("one")
    assert replica.report([*path_changes(A, B), *path_changes(B)]) == set()
    assert replica.report(path_changes(B, gone=True)) == set(), "B is still resident after A"
    assert replica.report(path_changes(A, gone=True)) == {A, B}, "what follows goes with it"
    assert list(replica.view.segments) == [HEAD]


def test_a_new_tree_tells_what_is_no_longer_in_it() -> None:
    replica = Replica("one")
    replica.report(path_changes(A, B))
    assert replica.report(path_changes(A), whole=True) == {B}


def test_an_update_that_came_too_late_evicts_nothing() -> None:
    replica = Replica("one")
    replica.report(path_changes(A))
    stale = ResidencyUpdate("one", "e", None, 0, b"", 0)
    assert replica.view.apply(stale) == set()
    assert replica.view.holds(A)


def test_each_document_after_the_resident_ones_has_a_cause() -> None:
    chosen, other = Replica("chosen"), Replica("other")
    chosen.report([*path_changes(A), *path_changes(B)])
    other.report(path_changes(C))
    clock = 100.0
    departed = Departed(lambda: clock)
    departed.add("salt", [D])
    clock = 103.5
    found = foresee(
        [A, B, C, D, *map(SegmentId, (20, 21, 22))],
        1,
        [chosen.view, other.view],
        lambda segment: departed.ago_s("salt", segment),
        {4: True, 5: False}.get,
    )
    known = [None, Cause.ORDER, Cause.REPLICA, Cause.EVICTED, Cause.CHANGED]
    assert causes(found) == [*known, Cause.EVICTED, Cause.NEVER_SEEN]
    assert found[3] == Absence(Cause.EVICTED, 3.5)
    assert found[5] == Absence(Cause.EVICTED, None), "nobody told when"


def test_evictions_of_other_tenants_are_none_of_ours() -> None:
    departed = Departed(lambda: 0.0)
    departed.add("theirs", [A])
    assert departed.ago_s("ours", A) is None
    assert departed.ago_s("theirs", A) == 0.0


def test_the_earliest_eviction_is_forgotten_first() -> None:
    departed = Departed(lambda: 0.0, limit=2)
    departed.add("salt", [A, B])
    departed.add("salt", [A])
    departed.add("salt", [C])
    assert [departed.ago_s("salt", segment) for segment in (A, B, C)] == [0.0, None, 0.0]


def test_what_was_expected_and_is_absent_has_a_cause_too() -> None:
    def cause(tokens: int, *, elsewhere: bool = False, estimated: bool = False) -> Absence:
        (miss,) = missed(10, [100], [None], Found(110 - tokens, BLOCK, elsewhere, estimated))
        assert (miss.index, miss.tokens) == (0, tokens)
        return miss.why

    assert cause(BLOCK - 1).cause is Cause.UNALIGNED
    assert cause(BLOCK) == Absence(Cause.EVICTED, 0.0)
    assert cause(50, estimated=True).cause is Cause.EVENTS_LOST
    assert cause(BLOCK - 1, estimated=True).cause is Cause.UNALIGNED
    assert cause(50, elsewhere=True, estimated=True).cause is Cause.REPLICA


def test_a_short_document_fills_no_block() -> None:
    """Whatever a replica is known to hold. One that no prompt has had is new all the same."""

    def cause(foreseen: Cause, found: int) -> Cause:
        absences = [None, Absence(foreseen)]
        misses = missed(0, [BLOCK, 5], absences, Found(found, BLOCK, elsewhere=False, estimated=False))
        return misses[-1].why.cause

    for foreseen in (Cause.ORDER, Cause.REPLICA, Cause.EVICTED):
        assert cause(foreseen, BLOCK) is Cause.UNALIGNED
        assert cause(foreseen, 0) is foreseen, "the block before it is missing too"
    assert cause(Cause.NEVER_SEEN, BLOCK) is Cause.NEVER_SEEN
    assert cause(Cause.CHANGED, BLOCK) is Cause.CHANGED


def test_the_block_that_two_expected_documents_share_was_evicted() -> None:
    misses = missed(0, [20, 20], [None, None], Found(16, BLOCK, elsewhere=False, estimated=False))
    assert [miss.why.cause for miss in misses] == [Cause.EVICTED, Cause.EVICTED]


absences = st.none() | st.sampled_from(Cause).map(Absence)


@given(
    head=st.integers(0, 50),
    documents=st.lists(st.tuples(st.integers(1, 80), absences), max_size=6),
    found=st.integers(0, 400),
    elsewhere=st.booleans(),
    estimated=st.booleans(),
)
def test_misses_are_the_tokens_that_were_not_found(
    head: int, documents: list[tuple[int, Absence | None]], found: int, elsewhere: bool, estimated: bool
) -> None:
    lengths = [length for length, _ in documents]
    misses = missed(head, lengths, [why for _, why in documents], Found(found, BLOCK, elsewhere, estimated))
    ends = [head + sum(lengths[: index + 1]) for index in range(len(lengths))]
    expected = {
        index: tokens
        for index, (end, length) in enumerate(zip(ends, lengths, strict=True))
        if (tokens := min(end - found, length)) > 0
    }
    assert {miss.index: miss.tokens for miss in misses} == expected
    assert [miss.index for miss in misses] == sorted(expected)
    for miss in misses:
        foreseen = documents[miss.index][1]
        if foreseen is not None and foreseen.cause in {Cause.NEVER_SEEN, Cause.CHANGED}:
            assert miss.why == foreseen
        elif ends[miss.index] - found >= BLOCK and (foreseen is None or foreseen.cause is Cause.ORDER):
            expected_there = Cause.EVENTS_LOST if estimated else Cause.EVICTED
            chosen = expected_there if foreseen is None else foreseen.cause
            assert miss.why.cause is (Cause.REPLICA if elsewhere else chosen)


def test_a_long_path_leaves_a_view_at_once() -> None:
    """Deeper than Python's limit of nested calls."""
    replica = Replica("one")
    path = [SegmentId(100 + number) for number in range(3000)]
    replica.report(path_changes(*path))
    assert replica.report(path_changes(path[0], gone=True)) == set(path)
