"""Vectors in blocks answer as one matrix does, after any changes, and a change copies only the last block."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.database.vectors import Matrix
from deployments.knowledge import placed_vectors
from deployments.knowledge.placed_vectors import PlacedVectors

QUESTION = np.array([2, 3], np.float32)


@pytest.fixture(autouse=True, scope="module")
def _small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placed_vectors, "_BLOCK_ROWS", 4)
        patch.setattr(placed_vectors, "_FEW_UNUSED", 3)
        yield


def rows(first: int, count: int) -> Matrix:
    """Rows that differ from all others."""
    numbers = np.arange(first, first + count, dtype=np.float32)
    return np.stack([numbers, -numbers], axis=1)


@given(st.lists(st.tuples(st.integers(0, 9), st.randoms(use_true_random=False)), max_size=12))
def test_after_any_changes_the_vectors_are_those_of_a_matrix(changes: list[tuple[int, Random]]) -> None:
    """Also after many of them are gone, when blocks are made again."""
    vectors, expected, made = PlacedVectors.of([]), np.empty((0, 2), np.float32), 0
    for count, dice in changes:
        kept = np.array([dice.random() < 0.7 for _ in range(len(expected))], bool)
        added = rows(made, count)
        order = np.array(dice.sample(range(int(kept.sum()) + count), int(kept.sum()) + count), np.int64)
        vectors, made = vectors.merged(kept, added, order), made + count
        expected = np.concatenate([expected[kept], added])[order]
        assert vectors.matrix().tolist() == expected.tolist()
        assert vectors.cosines(QUESTION) == pytest.approx(expected @ QUESTION)
        stored = sum(map(len, vectors.blocks))
        assert stored <= len(expected) + max(0.25 * len(expected), 3)
        assert all(len(block) == 4 for block in vectors.blocks[:-1])


def test_a_change_shares_all_full_blocks() -> None:
    former = PlacedVectors.of([rows(0, 10)])
    changed = former.merged(np.arange(10) != 5, rows(10, 1), np.arange(10))
    assert [one is other for one, other in zip(former.blocks, changed.blocks, strict=True)] == [
        True,
        True,
        False,
    ]
    assert former.matrix().tolist() == rows(0, 10).tolist()
