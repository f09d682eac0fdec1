"""Vectors in blocks that never change, so that a change of a few vectors copies no others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deployments.database.vectors import Matrix, Vector

Ids = npt.NDArray[np.int64]
Cosines = npt.NDArray[np.float32]

_BLOCK_ROWS = 4096
_MOST_UNUSED, _FEW_UNUSED = 0.25, 64
"""So many of the rows, as a share of the vectors or as a number, may be of vectors that are gone. With more
of them, all vectors are copied to new blocks."""


@dataclass(frozen=True, slots=True)
class PlacedVectors:
    """Vectors in an order that is not that of the blocks."""

    blocks: tuple[Matrix, ...]
    """Matrices of `_BLOCK_ROWS` rows; the last one may have fewer."""
    places: Ids
    """The row of each vector, counted through all blocks."""

    @classmethod
    def of(cls, matrices: Iterable[Matrix]) -> PlacedVectors:
        """All rows of some matrices, in order."""
        blocks: tuple[Matrix, ...] = ()
        for matrix in matrices:
            blocks = _extended(blocks, matrix)
        return cls(blocks, np.arange(_rows(blocks)))

    def __len__(self) -> int:
        return len(self.places)

    @property
    def nbytes(self) -> int:
        """Bytes that the blocks and places take."""
        return sum(block.nbytes for block in self.blocks) + self.places.nbytes

    def cosines(self, question: Vector) -> Cosines:
        """The similarity of each vector with the question."""
        # vecdot runs in this thread. A matrix product would start BLAS threads; on cores that the engine
        # keeps busy, these wait for each other for 30 times as long as the product takes.
        found = [np.vecdot(block, question) for block in self.blocks]
        return np.asarray(np.concatenate(found)[self.places], np.float32) if found else _NONE

    def matrix(self) -> Matrix:
        """A copy of the vectors, one row each, in order."""
        return self._taken(self.places)

    def ordered(self, order: Ids) -> PlacedVectors:
        """The vectors at these positions, in this order."""
        return PlacedVectors(self.blocks, self.places[order])

    def merged(self, kept: npt.NDArray[np.bool_], added: Matrix, order: Ids) -> PlacedVectors:
        """The vectors that are `kept` and the rows of `added` after them, then put into `order`."""
        first = _rows(self.blocks)
        places = np.concatenate([self.places[kept], np.arange(first, first + len(added))])[order]
        merged = PlacedVectors(_extended(self.blocks, added), places)
        unused = first + len(added) - len(places)
        return merged if unused <= max(_MOST_UNUSED * len(places), _FEW_UNUSED) else merged._compact()

    def _compact(self) -> PlacedVectors:
        starts = range(0, len(self.places), _BLOCK_ROWS)
        return PlacedVectors.of(self._taken(self.places[at : at + _BLOCK_ROWS]) for at in starts)

    def _taken(self, places: Ids) -> Matrix:
        """Copies rows."""
        if not self.blocks:
            return np.empty((0, 0), np.float32)
        taken = np.empty((len(places), self.blocks[0].shape[1]), np.float32)
        numbers, rows = np.divmod(places, _BLOCK_ROWS)
        for number in np.unique(numbers):
            here = numbers == number
            taken[here] = self.blocks[number][rows[here]]
        return taken


_NONE = np.empty(0, np.float32)


def _rows(blocks: tuple[Matrix, ...]) -> int:
    return sum(map(len, blocks))


def _extended(blocks: tuple[Matrix, ...], more: Matrix) -> tuple[Matrix, ...]:
    """Appends rows. Of the blocks that exist, only the last one is copied, if it is not full."""
    if not len(more):
        return blocks
    if blocks and len(blocks[-1]) < _BLOCK_ROWS:
        blocks, more = blocks[:-1], np.concatenate([blocks[-1], more])
    starts = range(0, len(more), _BLOCK_ROWS)
    return *blocks, *(np.ascontiguousarray(more[at : at + _BLOCK_ROWS]) for at in starts)
