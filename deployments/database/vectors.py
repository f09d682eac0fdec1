"""Vectors of texts: how knowledge and records store them, and the port of the embedding model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from deployments.core.ids import Fingerprint

Vector = npt.NDArray[np.float32]
"""Shape (dimensions,), length 1: the dot product of two vectors is their cosine."""
Matrix = npt.NDArray[np.float32]
"""Shape (texts, dimensions), each row of length 1."""


class Embedder(Protocol):
    """A model that turns texts into vectors."""

    @property
    def fingerprint(self) -> Fingerprint:
        """Identifies all that decides the vectors. Vectors of two fingerprints are not comparable."""

    @property
    def dimensions(self) -> int:
        """Length of each vector."""

    async def embed_query(self, text: str) -> Vector:
        """Returns the vector of one question."""

    async def embed_queries(self, texts: Sequence[str]) -> Matrix:
        """Returns the vectors of questions, one row each, in the order of `texts`."""

    async def embed_wordings(self, texts: Sequence[str]) -> Matrix:
        """Returns what `embed_queries` does, for stored texts: questions don't wait for them."""

    async def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Returns the vectors of chunks or other stored texts, one row each, in the order of `texts`."""


def to_blob(vector: Vector) -> bytes:
    """Encodes a vector for a database column: float32, little-endian."""
    return vector.astype("<f4").tobytes()


def from_blob(blob: bytes) -> Vector:
    """Decodes one stored vector."""
    return np.frombuffer(blob, "<f4")


def to_matrix(blobs: Sequence[bytes]) -> Matrix:
    """Decodes stored vectors, one row each; shape (0, 0) when there are none."""
    flat = np.frombuffer(b"".join(blobs), dtype="<f4")
    return flat.reshape(len(blobs), -1) if blobs else np.empty((0, 0), np.float32)


def normalised(vectors: Matrix) -> Matrix:
    """Returns vectors of length 1 with the same directions; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)
