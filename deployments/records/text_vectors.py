"""Vectors of texts, for comparing texts with each other."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

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
    """Makes vectors of texts. Keeps the last ones, because a batch compares its ideas repeatedly.

    It keeps no texts, which somebody may delete.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._latest: OrderedDict[bytes, Vector] = OrderedDict()

    @property
    def fingerprint(self) -> Fingerprint:
        """The fingerprint of the model."""
        return self._embedder.fingerprint

    async def of(self, texts: Sequence[str]) -> list[Vector]:
        """Returns vectors in the order of `texts`."""
        names = {text: sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts}
        known = {text: self._latest[name] for text, name in names.items() if name in self._latest}
        new = [text for text in names if text not in known]
        if new:
            known |= zip(new, await self._embedder.embed_documents(new), strict=True)
        for text, name in names.items():
            self._latest[name] = known[text]
            self._latest.move_to_end(name)
        while len(self._latest) > _KEPT_VECTORS:
            self._latest.popitem(last=False)
        return [known[text] for text in texts]


def cosine(one: Vector, other: Vector) -> float:
    """Returns a value from -1 to 1, apart from rounding errors."""
    return float(one @ other)
