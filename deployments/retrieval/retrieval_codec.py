"""Retrievals as bytes in the shared store, and back. Nothing that was read is trusted unchecked.

    offset  size  field
    0       2     magic
    2       1     version
    3       16    BLAKE2b over the entry's name, the bytes before and the payload
    19            payload: JSON, deflated: [generation, [[doc_id, title, ...], ...]]

As with segments, an entry under another's name fails like a damaged one.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import astuple
from hashlib import blake2b
from typing import Any

from deployments.core.documents import Passage, Retrieval
from deployments.core.ids import DocId
from deployments.token_cache.codec import CorruptEntry

HEADER_BYTES = 19
_HEAD = b"\xf1R\x01"
_MAX_PLAIN_BYTES = 32 * 2**20
_Number = int | float


def encode_retrieval(retrieval: Retrieval, name: str) -> bytes:
    """An entry."""
    passages = [astuple(passage) for passage in retrieval.passages]
    payload = zlib.compress(json.dumps([retrieval.generation, passages]).encode(), 1)
    return _HEAD + _checksum(name, payload) + payload


def decode_retrieval(raw: bytes, name: str, state: str) -> Retrieval:
    """What was retrieved in `state`, which the name has been made of.

    Raises CorruptEntry on any bytes that `encode_retrieval` did not make for this name.
    """
    payload = raw[HEADER_BYTES:]
    if len(raw) < HEADER_BYTES or not raw.startswith(_HEAD):
        raise CorruptEntry("no entry of this version")
    if raw[len(_HEAD) : HEADER_BYTES] != _checksum(name, payload):
        raise CorruptEntry("checksum or name differ")
    try:
        generation, passages = json.loads(_inflate(payload))
        return Retrieval(tuple(_passage(*values) for values in passages), _is(generation, int), state)
    except (ValueError, TypeError, RecursionError, zlib.error) as error:
        raise CorruptEntry(str(error)) from error


def _checksum(name: str, payload: bytes) -> bytes:
    bound = name.encode()
    head = _HEAD + len(bound).to_bytes(2, "little") + bound
    return blake2b(head + payload, digest_size=HEADER_BYTES - len(_HEAD)).digest()


def _inflate(payload: bytes) -> bytes:
    inflater = zlib.decompressobj()
    plain = inflater.decompress(payload, _MAX_PLAIN_BYTES)
    if not inflater.eof or inflater.unused_data:
        raise CorruptEntry("cut off, or larger than any entry")
    return plain


def _passage(  # noqa: PLR0917  -- the order of the class's own fields
    doc_id: Any,
    title: Any,
    heading: Any,
    section: Any,
    version: Any,
    ordinal: Any,
    body: Any,
    score: Any,
    similarity: Any,
) -> Passage:
    return Passage(
        DocId(_is(doc_id, str)),
        _is(title, str),
        _is(heading, str),
        None if section is None else _is(section, str),
        _is(version, int),
        _is(ordinal, int),
        _is(body, str),
        float(_is(score, _Number)),
        None if similarity is None else float(_is(similarity, _Number)),
    )


def _is(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{type(value).__name__} where none is")
    return value
