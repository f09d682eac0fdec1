"""Vectors of texts that are compared with each other, and how they are stored."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deployments.core.ids import Fingerprint
from deployments.database.vectors import Embedder

Vector = npt.NDArray[np.float32]
"""Of length 1, so that the dot product of two is their cosine."""

_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Compared:
    """A stored text that is compared. `vector` is None when it has none of the present model.

    `version` is that of its row: a vector is stored only while the row still has it.
    """

    id: str
    version: int
    vector: Vector | None


class TextVectors:
    """Vectors of texts, the latest of them remembered: ideas of a batch are compared again and again."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._latest: OrderedDict[str, Vector] = OrderedDict()

    @property
    def fingerprint(self) -> Fingerprint:
        """Of the model that makes them."""
        return self._embedder.fingerprint

    async def of(self, texts: Sequence[str]) -> list[Vector]:
        """In the order of `texts`."""
        known = {text: self._latest[text] for text in texts if text in self._latest}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known |= zip(new, await self._embedder.embed_documents(new), strict=True)
        for text in dict.fromkeys(texts):
            self._latest[text] = known[text]
            self._latest.move_to_end(text)
        while len(self._latest) > _REMEMBERED:
            self._latest.popitem(last=False)
        return [known[text] for text in texts]


def cosine(one: Vector, other: Vector) -> float:
    """-1..1, but for rounding."""
    return float(one @ other)


def packed(vector: Vector) -> bytes:
    """As it is stored: float32, little-endian."""
    return vector.astype("<f4").tobytes()


def unpacked(raw: bytes) -> Vector:
    """The reverse of `packed`."""
    return np.frombuffer(raw, "<f4")
