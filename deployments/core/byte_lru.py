"""A mapping that limits the bytes of its entries and drops the least recently used ones first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class ByteLru(Generic[K, V]):
    """Holds at most `max_bytes` of entries. Belongs to one event loop, so it needs no lock."""

    def __init__(self, max_bytes: int, size_of: Callable[[V], int]) -> None:
        """`size_of` returns the bytes of an entry with this value. The size must not change later."""
        self._max_bytes = max_bytes
        self._size_of = size_of
        self._bytes_used = 0
        self._values: OrderedDict[K, V] = OrderedDict()

    @property
    def bytes_used(self) -> int:
        """The size of all entries; never more than `max_bytes`."""
        return self._bytes_used

    def __len__(self) -> int:
        """The number of entries."""
        return len(self._values)

    def get(self, key: K) -> V | None:
        """Returns the value and makes it the most recently used; None if there is none."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def peek(self, key: K) -> V | None:
        """Returns the value without using it; None if there is none."""
        return self._values.get(key)

    def put(self, key: K, value: V) -> int:
        """Replaces the key's value; returns how many others it dropped to make room.

        Keeps none that alone is larger than `max_bytes`.
        """
        self.drop(key)
        size = self._size_of(value)
        if size > self._max_bytes:
            return 0
        self._values[key] = value
        before = len(self._values)
        self._bytes_used += size
        while self._bytes_used > self._max_bytes:
            self.drop(next(iter(self._values)))
        return before - len(self._values)

    def drop(self, key: K) -> None:
        """Removes an entry, if it exists."""
        value = self._values.pop(key, None)
        if value is not None:
            self._bytes_used -= self._size_of(value)

    def drop_where(self, matches: Callable[[K], bool]) -> int:
        """Removes the entries whose keys match; returns how many there were."""
        keys = [key for key in self._values if matches(key)]
        for key in keys:
            self.drop(key)
        return len(keys)
