"""Token ids as bytes in the shared store, and back. `decode` checks every entry that was read.

    offset  size  field
    0       2     magic
    2       1     version in the upper six bits, form of the payload in the lower two
    3       3     count of ids, little-endian
    6       8     BLAKE2b over the segment's key, the bytes before and the payload
    14            payload

The checksum covers the key, which is not stored: an entry under the wrong key, or the reply to another
request, fails like a damaged entry. With a seal it is a MAC (keyed BLAKE2b): an entry by anybody who lacks
the seal fails, too. The size of the vocabulary decides the form of the payload:

- below 2**16 ids: two bytes per id, little-endian (PLAIN), or the same deflated if smaller (DEFLATED);
- otherwise `length_coded_ids` (LENGTHS), which is short because tokenizers give frequent tokens low ids;
  four bytes per id (WIDE) if an id is 2**18 or more.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from hashlib import blake2b
from hmac import compare_digest

from deployments.core import token_ids
from deployments.core.ids import SegmentKey
from deployments.core.token_ids import TokenIds
from deployments.token_cache import length_coded_ids

PEEK_BYTES = 6
"""How many bytes of an entry `peek_count` needs."""

HEADER_BYTES = 14
_MAGIC = b"\xf1W"
_VERSION = 3
_PLAIN, _WIDE, _DEFLATED, _LENGTHS = range(4)
_NARROW_VOCAB = 65_536


class CorruptEntry(Exception):
    """The bytes are not an entry of this version under this key. Delete and recompute the entry."""


def encode(ids: TokenIds, key: SegmentKey, vocab_size: int, seal: bytes = b"") -> bytes:
    """Returns an entry. Raises OverflowError on an id too large for its form, or on 2**24 ids."""
    form, payload = _payload(ids, vocab_size)
    head = _MAGIC + bytes([_VERSION << 2 | form]) + len(ids).to_bytes(3, "little")
    return head + _checksum(key, head, payload, seal) + payload


def decode(raw: bytes, key: SegmentKey, seal: bytes = b"") -> TokenIds:
    """Returns the ids of an entry. Raises CorruptEntry unless `encode` made the bytes for this key and
    with this seal.
    """
    count = peek_count(raw)
    if count is None or len(raw) < HEADER_BYTES:
        raise CorruptEntry("not an entry of this version")
    head, checksum, payload = raw[:PEEK_BYTES], raw[PEEK_BYTES:HEADER_BYTES], raw[HEADER_BYTES:]
    if not compare_digest(checksum, _checksum(key, head, payload, seal)):
        raise CorruptEntry("the checksum does not fit the bytes and the key")
    return _ids(head[2] & 3, count, payload)


def _payload(ids: TokenIds, vocab_size: int) -> tuple[int, bytes]:
    """Returns the form of the payload and its bytes."""
    if vocab_size > length_coded_ids.LIMIT and max(ids, default=0) >= length_coded_ids.LIMIT:
        return _WIDE, token_ids.to_bytes(ids)
    if vocab_size >= _NARROW_VOCAB:
        return _LENGTHS, length_coded_ids.pack(ids)
    plain = _narrow_bytes(array("H", ids))
    deflated = _deflate(plain)
    return (_DEFLATED, deflated) if len(deflated) < len(plain) else (_PLAIN, plain)


def _ids(form: int, count: int, payload: bytes) -> TokenIds:
    """The inverse of `_payload`. Raises CorruptEntry unless the payload holds exactly `count` ids."""
    if form == _LENGTHS:
        try:
            return length_coded_ids.unpack(payload, count)
        except ValueError as error:
            raise CorruptEntry(str(error)) from error
    size = count * (4 if form == _WIDE else 2)
    plain = _inflate(payload, size) if form == _DEFLATED else payload
    if len(plain) != size:
        raise CorruptEntry("the payload does not hold as many ids as the header says")
    return token_ids.from_bytes(plain) if form == _WIDE else array("I", _narrow_ids(plain))


def peek_count(head: bytes) -> int | None:
    """Reads from an entry's first PEEK_BYTES how many ids it holds; None if it is not an entry."""
    if len(head) < PEEK_BYTES or head[:2] != _MAGIC or head[2] >> 2 != _VERSION:
        return None
    return int.from_bytes(head[3:PEEK_BYTES], "little")


def _checksum(key: SegmentKey, head: bytes, payload: bytes, seal: bytes) -> bytes:
    digest = blake2b(head, digest_size=HEADER_BYTES - PEEK_BYTES, key=seal)
    bound = key.encode()
    digest.update(len(bound).to_bytes(2, "little") + bound)
    digest.update(payload)
    return digest.digest()


def _deflate(plain: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflater.compress(plain) + deflater.flush()


def _inflate(payload: bytes, size: int) -> bytes:
    """Inflates at most `size` + 1 bytes, so that a small payload cannot fill the memory."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        return inflater.decompress(payload, size + 1)
    except zlib.error as error:
        raise CorruptEntry(str(error)) from error


def _narrow_bytes(ids: array[int]) -> bytes:
    if sys.byteorder == "big":
        ids.byteswap()
    return ids.tobytes()


def _narrow_ids(raw: bytes) -> array[int]:
    ids = array("H", raw)
    if sys.byteorder == "big":
        ids.byteswap()
    return ids
