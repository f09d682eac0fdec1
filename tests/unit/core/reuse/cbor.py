"""CBOR by the book (RFC 8949, section 3), as slow and plain as can be: it judges `block_hash`'s own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Value: TypeAlias = "int | bytes | str | Sequence[Value] | None"


def encode(value: Value) -> bytes:
    """The shortest encoding of a value."""
    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return _start(0, value)
    if isinstance(value, bytes):
        return _start(2, len(value)) + value
    if isinstance(value, str):
        return _start(3, len(value.encode())) + value.encode()
    return _start(4, len(value)) + b"".join(encode(item) for item in value)


def _start(kind: int, argument: int) -> bytes:
    """The kind in the upper three bits, then the argument: there too, or in 1 to 8 bytes after it."""
    if argument <= 23:
        return (kind * 32 + argument).to_bytes(1, "big")
    for marker, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 256**size:
            return (kind * 32 + marker).to_bytes(1, "big") + argument.to_bytes(size, "big")
    raise ValueError(argument)
