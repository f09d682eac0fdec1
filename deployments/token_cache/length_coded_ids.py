"""Ids below 2**18 in about 1.7 bytes each: the number of bits of an id, in four bits, and those bits.

Byte-pair tokenizers number their tokens by frequency in training, so most ids of a text are short.

    (count + 1) // 2 bytes   the class of each id, two in a byte, the first one in the upper half
    the rest                 the bits of each id, highest bit first; the last byte is padded with zeros

Class 0 holds the ids below 8, in three bits. Class c > 0 holds the ids from 2**(c + 2) up to twice that,
without their leading one, in c + 2 bits.
"""

from __future__ import annotations

from array import array

import numpy as np
import numpy.typing as npt

from deployments.core.token_ids import TokenIds

LIMIT = 2**18
"""Ids must be below this."""

_BITS = np.array([3, *range(3, 18)], np.int64)
"""The number of bits that an id of each class takes."""
_BASES = np.array([0, *(1 << bits for bits in range(3, 18))], np.int64)
"""The smallest id of each class."""
_WINDOW_BYTES = 4
"""An id has at most 17 bits, which may start anywhere in a byte, so a window of this size holds them."""


def pack(ids: TokenIds) -> bytes:
    """Returns the bytes of ids. Raises OverflowError on an id of LIMIT or more."""
    values = np.asarray(ids, np.int64)
    if len(values) and values.max() >= LIMIT:
        raise OverflowError(f"an id is {values.max()}; the largest possible one is {LIMIT - 1}")
    classes = np.searchsorted(_BASES, values, side="right") - 1
    bits = _BITS[classes]
    owner = np.repeat(np.arange(len(values)), bits)
    place_from_last = np.cumsum(bits)[owner] - 1 - np.arange(len(owner))
    stream = (values - _BASES[classes])[owner] >> place_from_last & 1
    halves = np.append(classes, np.zeros(len(classes) % 2, np.int64)).reshape(-1, 2)
    heads = (halves[:, 0] << 4 | halves[:, 1]).astype(np.uint8)
    return bytes(heads) + bytes(np.packbits(stream.astype(np.uint8)))


def unpack(raw: bytes, count: int) -> TokenIds:
    """The inverse of `pack`. Raises ValueError unless `raw` is what `pack` makes of `count` ids."""
    heads = (count + 1) // 2
    if len(raw) < heads:
        raise ValueError("the classes of some ids are missing")
    both = np.frombuffer(raw, np.uint8, heads)
    classes = np.empty(2 * heads, np.intp)
    classes[::2], classes[1::2] = both >> 4, both & 15
    bits = _BITS[classes[:count]]
    ends = np.cumsum(bits)
    total = int(ends[-1]) if count else 0
    if len(raw) != heads + (total + 7) // 8 or classes[count:].any():
        raise ValueError("the bytes do not hold as many bits as the classes say")
    values = _BASES[classes[:count]] + _bits_at(raw[heads:], ends - bits, bits)
    return array("I", values.astype(np.uint32).tobytes())


def _bits_at(
    stream: bytes, starts: npt.NDArray[np.int64], bits: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Returns for each id the number that starts at bit `starts` of the stream and has `bits` bits."""
    # The window at a byte is the number that this byte and the next three make.
    windows = np.ndarray(len(stream) + 1, ">u4", stream + bytes(_WINDOW_BYTES), strides=(1,))
    found: npt.NDArray[np.int64] = windows[starts >> 3].astype(np.int64)
    return found >> (8 * _WINDOW_BYTES - (starts & 7) - bits) & ((1 << bits) - 1)
