"""Which rows of a document's chunks a change keeps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deployments.knowledge.cutting.chunking import Chunk
from deployments.knowledge.stored_chunks import (
    ChunkDraft,
    StoredChunk,
    chunk_draft,
    plan_change,
)

BODIES = st.lists(st.sampled_from("abcdef"), max_size=8)


def drafts(bodies: list[str]) -> list[ChunkDraft]:
    return [chunk_draft("T", Chunk(n, "", body, 2 * n, 2 * n + 1)) for n, body in enumerate(bodies)]


def rows(bodies: list[str], has_vector: bool = True) -> list[StoredChunk]:
    return [StoredChunk(100 + d.chunk.ordinal, d.place, d.segment_hash, has_vector) for d in drafts(bodies)]


@given(BODIES, BODIES)
def test_applying_a_change_gives_the_wanted_chunks_in_order(before: list[str], after: list[str]) -> None:
    present, wanted = rows(before), drafts(after)
    change = plan_change(present, wanted, with_vectors=True)
    left = {r.id: (change.moved.get(r.id, r.place), r.segment_hash) for r in present}
    for removed in change.removed:
        del left[removed]
    result = sorted([*left.values(), *((d.place, d.segment_hash) for d in change.added)])
    assert result == [(d.place, d.segment_hash) for d in wanted]
    assert change.kept == len(left)


@given(BODIES)
def test_equal_chunks_change_nothing(bodies: list[str]) -> None:
    change = plan_change(rows(bodies), drafts(bodies), with_vectors=True)
    assert (change.kept, change.moved, change.added, change.removed) == (len(bodies), {}, [], [])


def test_a_row_without_vector_is_replaced_where_vectors_are_needed() -> None:
    present, wanted = rows(["a"], has_vector=False), drafts(["a"])
    assert plan_change(present, wanted, with_vectors=True).removed == [100]
    assert plan_change(present, wanted, with_vectors=False).kept == 1


def test_title_heading_and_body_each_change_the_segment() -> None:
    made = [chunk_draft("T", Chunk(0, "h", "b", 0, 1)), chunk_draft("U", Chunk(0, "h", "b", 0, 1))]
    made += [chunk_draft("T", Chunk(0, "i", "b", 0, 1)), chunk_draft("T", Chunk(0, "h", "c", 0, 1))]
    assert len({draft.segment_hash for draft in made}) == 4


def test_a_row_without_a_range_gets_one() -> None:
    """Rows of versions that did not record it have none."""
    (draft,) = drafts(["a"])
    old = StoredChunk(100, (0, None, None), draft.segment_hash, has_vector=True)
    assert plan_change([old], [draft], with_vectors=True).moved == {100: (0, 0, 1)}
