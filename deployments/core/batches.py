"""Cutting work into batches, so that one round trip or one turn of the event loop stays short."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yields consecutive slices of `size` items; the last one may be shorter."""
    return (items[start : start + size] for start in range(0, len(items), size))
