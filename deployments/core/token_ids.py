"""Token ids in memory and between processes.

`TokenIds` is an `array('I')`: four bytes an id instead of a list's eight-byte pointers. Arrays are
joined by copying, and become raw little-endian bytes for a handle call at no cost.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from typing import TypeAlias

TokenIds: TypeAlias = "array[int]"
"""Always of type code `I`. A string, since `array` cannot be subscripted at run time before 3.12."""

_ID_BYTES = 4
_LITTLE = sys.byteorder == "little"


def token_ids(ids: Iterable[int] = ()) -> TokenIds:
    """An array of ids. Raises OverflowError on an id outside 32 bits."""
    return array("I", ids)


def join(parts: Iterable[TokenIds]) -> TokenIds:
    """A new array of all parts, one after the other."""
    joined = array("I")
    for part in parts:
        joined.extend(part)
    return joined


def to_bytes(ids: TokenIds) -> bytes:
    """Raw little-endian 32-bit ids, the form in which prompts cross handles."""
    if _LITTLE:
        return ids.tobytes()
    swapped = array("I", ids)
    swapped.byteswap()
    return swapped.tobytes()


def count_in(raw: bytes | bytearray) -> int:
    """How many ids `raw` has, in the form of `to_bytes`."""
    return len(raw) // _ID_BYTES


def from_bytes(raw: bytes) -> TokenIds:
    """The inverse of `to_bytes`. Raises ValueError if the length is not a multiple of four."""
    ids = array("I")
    ids.frombytes(raw)
    if not _LITTLE:
        ids.byteswap()
    return ids
