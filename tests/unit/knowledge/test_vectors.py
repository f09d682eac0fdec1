"""Exact search over one matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.knowledge.vectors import CollectionVectors
from deployments.knowledge.wordings import CollectionWordings


def none(dimensions: int = 2) -> CollectionWordings:
    """No wordings."""
    empty = np.empty(0, np.int64)
    return CollectionWordings(np.empty((0, dimensions), np.float32), empty, empty, empty)


def vectors(sections: list[str | None]) -> CollectionVectors:
    """Chunk 10 + n, each a little farther from [1, 0]."""
    angles = np.linspace(0, np.pi / 2, len(sections))
    matrix = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    return CollectionVectors(
        np.arange(10, 10 + len(sections)), np.array(sections, dtype=object), matrix, none()
    )


QUESTION = np.array([1, 0], np.float32)


def test_nearest_come_first() -> None:
    found = vectors([None] * 5)
    cosines = found.similarities(QUESTION)
    assert found.nearest(cosines, None, 3) == [10, 11, 12]
    assert cosines[0] == pytest.approx(1)


def test_a_section_is_filtered_before_the_limit() -> None:
    found = vectors(["a", "a", "a", "b", None, "b"])
    assert found.nearest(found.similarities(QUESTION), "b", 2) == [13, 15]
    assert found.nearest(found.similarities(QUESTION), "c", 2) == []


def test_equal_similarities_are_ordered_by_chunk() -> None:
    matrix = np.array([[1, 0]] * 40, np.float32)
    found = CollectionVectors(np.arange(40), np.array([None] * 40, dtype=object), matrix, none())
    assert found.nearest(found.similarities(QUESTION), None, 10) == list(range(10))


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=60), st.integers(1, 70))
def test_nearest_is_the_start_of_the_whole_order(values: list[int], limit: int) -> None:
    count = len(values)
    sections = np.array([None] * count, dtype=object)
    found = CollectionVectors(np.arange(count), sections, np.empty((count, 2), np.float32), none())
    expected = sorted(range(count), key=lambda row: (-values[row], row))[:limit]
    assert found.nearest(np.array(values, np.float32), None, limit) == expected


def test_similarities_by_chunk_leave_out_chunks_without_vector() -> None:
    found = vectors([None] * 3)
    cosines = found.similarities(QUESTION)
    assert found.by_chunk(cosines, [12, 9, 11, 99]) == {
        12: pytest.approx(0, abs=1e-6),
        11: pytest.approx(0.7071, abs=1e-3),
    }


def test_an_empty_collection_finds_nothing() -> None:
    empty = CollectionVectors(
        np.empty(0, np.int64), np.empty(0, object), np.empty((0, 0), np.float32), none(0)
    )
    cosines = empty.similarities(QUESTION)
    assert empty.nearest(cosines, "a", 5) == []
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
    cosines = CollectionVectors(np.arange(3), np.array([None] * 3, dtype=object), matrix, asked).similarities(
        QUESTION
    )
    assert cosines == pytest.approx([1, 0.75, 0.6 + 0.4 * 0.75])
