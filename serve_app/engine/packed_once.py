"""A mapping for a call to all replicas: Serve pickles the arguments again for each of them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class PackedOnce(dict[K, V]):
    """Arrives as a plain dict. It is pickled when it is made, and not to be changed after that."""

    def __init__(self, content: Mapping[K, V]) -> None:
        super().__init__(content)
        self._packed = pickle.dumps(dict(content), pickle.HIGHEST_PROTOCOL)

    def __reduce__(self) -> tuple[Any, ...]:
        return pickle.loads, (self._packed,)
