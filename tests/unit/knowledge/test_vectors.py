"""Exact search over one matrix."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deployments.database.vectors import Matrix
from deployments.knowledge.placed_vectors import PlacedVectors
from deployments.knowledge.vectors import CollectionVectors, Similarities, mean_vectors
from deployments.knowledge.wordings import CollectionWordings, Worded


def none() -> CollectionWordings:
    """No wordings."""
    empty = np.empty(0, np.int64)
    nobody = Worded(empty, empty)
    return CollectionWordings(PlacedVectors.of([]), empty, empty, nobody, nobody)


def collection(
    chunk_ids: npt.ArrayLike,
    owners: npt.NDArray[np.int64],
    sections: npt.NDArray[np.object_],
    matrix: Matrix,
    wordings: CollectionWordings | None = None,
) -> CollectionVectors:
    """Vectors of chunks, whose documents have the row ids 100, 101..."""
    documents = 100 + np.arange(max(owners, default=-1) + 1)
    own = PlacedVectors.of([matrix])
    whole = PlacedVectors.of([mean_vectors(own, owners, len(documents))])
    ids = np.asarray(chunk_ids, np.int64)
    return CollectionVectors(ids, documents, owners, sections, own, whole, wordings or none())


def alike(chunks: npt.ArrayLike, documents: npt.ArrayLike = ()) -> Similarities:
    """Similarities of chunks, and of documents, which are zero if not given."""
    own = np.asarray(chunks, np.float32)
    return Similarities(own, np.asarray(documents, np.float32) if documents else np.zeros_like(own))


def vectors(sections: list[str | None]) -> CollectionVectors:
    """Chunks 10, 11, 12..., each of another document and farther from [1, 0] than the one before."""
    angles = np.linspace(0, np.pi / 2, len(sections))
    matrix = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    own = np.arange(len(sections))
    return collection(10 + own, own, np.array(sections, dtype=object), matrix)


def chunks_of(owners: list[int]) -> CollectionVectors:
    """Chunks 0, 1, 2... of these documents. Their vectors are zero: tests pass similarities."""
    count = len(owners)
    sections = np.array([None] * count, dtype=object)
    return collection(range(count), np.array(owners, np.int64), sections, np.zeros((count, 2), np.float32))


QUESTION = np.array([1, 0], np.float32)


def test_nearest_come_first() -> None:
    found = vectors([None] * 5)
    cosines = found.similarities(QUESTION)
    assert found.nearest(cosines, None, 3, 1) == [10, 11, 12]
    assert cosines.chunks[0] == pytest.approx(1)


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
    assert found.nearest(alike([1] * 40), None, 10, 5) == list(range(10))


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
    found = chunks_of(owners).nearest(alike(values, [0] * 10), None, limit, documents)
    assert found == expected
    if len({owners[row] for row in order[:limit]}) >= documents:
        assert found == order[:limit]


def test_documents_of_other_sections_do_not_count() -> None:
    sections = np.array(["a", "b", "b", "b", "a", "b"], dtype=object)
    owners = np.array([0, 1, 1, 1, 2, 3])
    found = collection(range(6), owners, sections, np.zeros((6, 2), np.float32))
    assert found.nearest(alike([9, 8, 7, 6, 5, 4]), "b", 2, 2) == [1, 2, 5]


def test_a_chunk_counts_more_if_its_document_is_similar() -> None:
    """So the page that is about the question comes before a chance likeness, but not before a close chunk."""
    found = chunks_of([0, 1, 2])
    similarities = alike([0.50, 0.45, 0.40], [0.1, 0.5, 0.5])
    assert found.nearest(similarities, None, 3, 3) == [1, 2, 0]
    assert found.by_chunk(similarities, [0]) == {0: pytest.approx(0.50)}
    assert found.nearest(alike([0.9, 0.45, 0.40], [0.1, 0.5, 0.5]), None, 3, 3) == [0, 1, 2]


MATRICES = st.integers(1, 30).flatmap(
    lambda count: st.tuples(
        st.lists(st.integers(0, 5), min_size=count, max_size=count),
        st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=count, max_size=count),
    )
)


@given(MATRICES)
def test_a_document_s_vector_is_the_mean_of_its_chunks(
    drawn: tuple[list[int], list[tuple[int, int]]],
) -> None:
    """Wherever they are; of length 1, or zero."""
    owners, rows = np.array(drawn[0], np.int64), np.array(drawn[1], np.float32)
    order = np.argsort(owners, kind="stable")
    found = mean_vectors(PlacedVectors.of([rows]).ordered(order), owners[order], 6)
    for number in range(6):
        total = rows[owners == number].sum(axis=0)
        length = np.linalg.norm(total)
        assert found[number] == pytest.approx(total / length if length else total, abs=1e-6)


@given(st.floats(0, 1), st.lists(st.floats(-1, 1, width=32), min_size=4, max_size=4))
def test_mixed_similarities_are_between_both(share: float, values: list[float]) -> None:
    """Those of the chunks and those of the documents alike."""
    one, other = alike(values[:2], values[2:]), alike(values[2:], values[:2])
    mixed = one.mixed(share, other)
    for own, low, high in (
        (mixed.chunks, one.chunks, other.chunks),
        (mixed.documents, one.documents, other.documents),
    ):
        assert np.all(own >= np.minimum(low, high) - 1e-6)
        assert np.all(own <= np.maximum(low, high) + 1e-6)
    assert np.allclose(one.mixed(1, other).chunks, one.chunks)


def test_similarities_by_chunk_leave_out_chunks_without_vector() -> None:
    found = vectors([None] * 3)
    cosines = found.similarities(QUESTION)
    assert found.by_chunk(cosines, [12, 9, 11, 99]) == {
        12: pytest.approx(0, abs=1e-6),
        11: pytest.approx(0.7071, abs=1e-3),
    }


def test_an_empty_collection_finds_nothing() -> None:
    no_ids = np.empty(0, np.int64)
    empty = collection(no_ids, no_ids, np.empty(0, object), np.empty((0, 0), np.float32))
    cosines = empty.similarities(QUESTION)
    assert empty.nearest(cosines, "a", 5, 5) == []
    assert empty.nearest(cosines, None, 5, 5) == []
    assert empty.by_chunk(cosines, [1]) == {}


def test_a_wording_raises_its_document_and_all_its_chunks_and_never_lowers_one() -> None:
    matrix = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    owners = np.array([0, 1, 1])
    # The second document's wordings are the question itself and something else.
    asked = CollectionWordings.of(
        PlacedVectors.of([np.array([[0, 1], [1, 0], [0, 1]], np.float32)]),
        np.array([100, 101, 101]),
        np.array([100, 101]),
        owners,
    )
    found = collection(range(3), owners, np.array([None] * 3, dtype=object), matrix, asked)
    similarities = found.similarities(QUESTION)
    assert similarities.chunks == pytest.approx([1, 0.75, 0.6 + 0.4 * 0.75])
    alone = 0.6 / np.hypot(0.6, 1.8)
    assert similarities.documents == pytest.approx([1, alone + 0.75 * (1 - alone)])


def test_only_documents_with_wordings_are_raised() -> None:
    """By row id; a document without chunks has none to raise."""
    two = PlacedVectors.of([np.eye(2, dtype=np.float32)])
    found = CollectionWordings.of(two, np.array([8, 11]), np.array([7, 8, 9]), np.array([0, 1, 1, 2]))
    assert (found.chunks.rows.tolist(), found.chunks.owners.tolist()) == ([1, 2], [0, 0])
    assert (found.documents.rows.tolist(), found.documents.owners.tolist()) == ([1], [0])


@given(st.data())
def test_only_chunks_within_the_limits_are_allowed(data: st.DataObject) -> None:
    """In the order that was asked for; a chunk without a vector is within no limit."""
    sections = data.draw(st.lists(st.sampled_from(["a", "b", None]), max_size=6))
    asked = np.array(data.draw(st.permutations(range(8, 18))), np.int64)
    section = data.draw(st.none() | st.sampled_from("ab"))
    only = data.draw(st.none() | st.sets(st.integers(100, 106)))
    found = vectors(list(sections)).allowed(asked, section, None if only is None else np.array([*only]))

    def fits(chunk: int) -> bool:
        row = chunk - 10
        known = 0 <= row < len(sections)
        return known and section in {None, sections[row]} and (only is None or 100 + row in only)

    unlimited = section is None and only is None
    assert found.tolist() == [chunk for chunk in asked.tolist() if unlimited or fits(chunk)]
