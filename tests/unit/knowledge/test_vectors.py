"""Exact search over one matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deployments.knowledge.vectors import CollectionVectors
from deployments.knowledge.wordings import CollectionWordings


def none(dimensions: int = 2) -> CollectionWordings:
    """No wordings."""
    empty = np.empty(0, np.int64)
    return CollectionWordings(np.empty((0, dimensions), np.float32), empty, empty, empty)


def vectors(sections: list[str | None]) -> CollectionVectors:
    """Chunks 10, 11, 12..., each of another document and farther from [1, 0] than the one before."""
    angles = np.linspace(0, np.pi / 2, len(sections))
    matrix = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    own = np.arange(len(sections))
    return CollectionVectors(10 + own, 100 + own, own, np.array(sections, dtype=object), matrix, none())


def chunks_of(owners: list[int]) -> CollectionVectors:
    """Chunks 0, 1, 2... of these documents. Their vectors are undefined: tests pass similarities."""
    count = len(owners)
    sections = np.array([None] * count, dtype=object)
    matrix = np.empty((count, 2), np.float32)
    numbers = np.arange(max(owners, default=-1) + 1)
    return CollectionVectors(np.arange(count), numbers, np.array(owners, np.int64), sections, matrix, none())


QUESTION = np.array([1, 0], np.float32)


def test_nearest_come_first() -> None:
    found = vectors([None] * 5)
    cosines = found.similarities(QUESTION)
    assert found.nearest(cosines, None, 3, 1) == [10, 11, 12]
    assert cosines[0] == pytest.approx(1)


def test_a_section_is_filtered_before_the_limit() -> None:
    found = vectors(["a", "a", "a", "b", None, "b"])
    assert found.nearest(found.similarities(QUESTION), "b", 2, 2) == [13, 15]
    assert found.nearest(found.similarities(QUESTION), "c", 2, 2) == []


@given(st.sets(st.integers(100, 106)), st.none() | st.sampled_from("ab"), st.integers(1, 4))
def test_other_documents_are_ignored_before_the_limit(
    only: set[int], section: str | None, limit: int
) -> None:
    """Also together with a section; ids of documents that do not exist change nothing."""
    sections = ["a", "b", "a", "b", None]
    found = vectors(list(sections))
    expected = [10 + n for n in range(5) if 100 + n in only and section in {None, sections[n]}]
    wanted = np.array(sorted(only), np.int64)
    assert found.nearest(found.similarities(QUESTION), section, limit, 1, wanted) == expected[:limit]


def test_equal_similarities_are_ordered_by_chunk() -> None:
    found = chunks_of(list(range(40)))
    assert found.nearest(np.ones(40, np.float32), None, 10, 5) == list(range(10))


CHUNKS = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 9)), min_size=1, max_size=60)


@given(CHUNKS, st.integers(1, 70), st.integers(1, 12))
@example([(3, 0)] * 60 + [(2, number) for number in range(1, 6)], 50, 5)
def test_nearest_are_the_first_chunks_and_the_best_one_of_each_near_document(
    values_and_owners: list[tuple[int, int]], limit: int, documents: int
) -> None:
    values, owners = map(list, zip(*values_and_owners, strict=True))
    order = sorted(range(len(values)), key=lambda row: (-values[row], row))
    firsts = list({owners[row]: row for row in reversed(order)}.values())
    near = sorted(firsts, key=order.index)[:documents]
    expected = [row for row in order if row in order[:limit] or row in near]
    found = chunks_of(owners).nearest(np.array(values, np.float32), None, limit, documents)
    assert found == expected
    if len({owners[row] for row in order[:limit]}) >= documents:
        assert found == order[:limit]


def test_documents_of_other_sections_do_not_count() -> None:
    sections = np.array(["a", "b", "b", "b", "a", "b"], dtype=object)
    owners = np.array([0, 1, 1, 1, 2, 3])
    found = CollectionVectors(
        np.arange(6), np.arange(4), owners, sections, np.empty((6, 2), np.float32), none()
    )
    similarities = np.array([9, 8, 7, 6, 5, 4], np.float32)
    assert found.nearest(similarities, "b", 2, 2) == [1, 2, 5]


def test_similarities_by_chunk_leave_out_chunks_without_vector() -> None:
    found = vectors([None] * 3)
    cosines = found.similarities(QUESTION)
    assert found.by_chunk(cosines, [12, 9, 11, 99]) == {
        12: pytest.approx(0, abs=1e-6),
        11: pytest.approx(0.7071, abs=1e-3),
    }


def test_an_empty_collection_finds_nothing() -> None:
    no_ids = np.empty(0, np.int64)
    empty = CollectionVectors(
        no_ids, no_ids, no_ids, np.empty(0, object), np.empty((0, 0), np.float32), none(0)
    )
    cosines = empty.similarities(QUESTION)
    assert empty.nearest(cosines, "a", 5, 5) == []
    assert empty.nearest(cosines, None, 5, 5) == []
    assert empty.by_chunk(cosines, [1]) == {}


def test_a_wording_raises_all_chunks_of_its_document_and_never_lowers_one() -> None:
    matrix = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    # The second document's wordings are the question itself and something else.
    asked = CollectionWordings(
        np.array([[0, 1], [1, 0], [0, 1]], np.float32),
        np.array([0, 1]),
        np.array([0, 1, 2]),
        np.array([0, 1, 1]),
    )
    sections = np.array([None] * 3, dtype=object)
    found = CollectionVectors(np.arange(3), np.arange(2), np.array([0, 1, 1]), sections, matrix, asked)
    assert found.similarities(QUESTION) == pytest.approx([1, 0.75, 0.6 + 0.4 * 0.75])
