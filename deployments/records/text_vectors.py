"""Vectors of texts, for comparing texts with each other."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from deployments.core.ids import Fingerprint
from deployments.database.vectors import Embedder, Vector

_KEPT_VECTORS = 256


@dataclass(frozen=True, slots=True)
class Compared:
    """A stored text that is compared with an idea."""

    id: str
    version: int
    """The version of its row. A vector is stored only if the row still has this version."""
    vector: Vector | None
    """None if the present model has not made a vector of it yet."""


class TextVectors:
    """Makes vectors of texts. Keeps the last ones, because a batch compares its ideas repeatedly."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._latest: OrderedDict[str, Vector] = OrderedDict()

    @property
    def fingerprint(self) -> Fingerprint:
        """The fingerprint of the model."""
        return self._embedder.fingerprint

    async def of(self, texts: Sequence[str]) -> list[Vector]:
        """Returns vectors in the order of `texts`."""
        known = {text: self._latest[text] for text in texts if text in self._latest}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known |= zip(new, await self._embedder.embed_documents(new), strict=True)
        for text in dict.fromkeys(texts):
            self._latest[text] = known[text]
            self._latest.move_to_end(text)
        while len(self._latest) > _KEPT_VECTORS:
            self._latest.popitem(last=False)
        return [known[text] for text in texts]


def cosine(one: Vector, other: Vector) -> float:
    """Returns a value from -1 to 1, apart from rounding errors."""
    return float(one @ other)
