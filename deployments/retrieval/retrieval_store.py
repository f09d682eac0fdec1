"""Retrievals in Redis, shared by all replicas. Uses only commands that Redis 6.2 has.

An entry, as bytes:

    offset  size  field
    0       2     magic
    2       1     version
    3       16    BLAKE2b, keyed with the seal, over the bytes before, the entry's name and the payload
    19            payload: JSON, deflated: [generation, [[doc_id, title, ...], ...], searched_as]

The checksum covers the name, so an entry that was copied to another name counts as damaged. With a seal it
is a MAC, and an entry by anybody who lacks the seal counts as damaged, too.
"""

from __future__ import annotations

import json
import logging
import zlib
from contextlib import suppress
from dataclasses import astuple
from hashlib import blake2b
from hmac import compare_digest
from typing import Any

from deployments.core.documents import Passage, Retrieval
from deployments.core.errors import CacheUnavailable
from deployments.core.ids import CollectionName, DocId, TenantId
from deployments.redis.connection import WRONG_TYPE, RedisLink, expect
from deployments.redis.keys import digest, entries_pattern, entry_prefix
from deployments.redis.walking import unlinked, walk
from deployments.retrieval.cached_retriever import RetrievalKey

log = logging.getLogger(__name__)

HEADER_BYTES = 19
_HEAD = b"\xf1R\x04"
_MAX_PLAIN_BYTES = 32 * 2**20
_Number = int | float


class RedisRetrievalStore:
    """A `RetrievalStore`. `corrupt_entries` counts the damaged entries that it found and deleted."""

    def __init__(self, link: RedisLink, seal: bytes = b"") -> None:
        """`seal` is the key of the entries' checksums, b"" for a checksum without."""
        self._link = link
        self._seal = seal
        self.corrupt_entries = 0

    async def get(self, key: RetrievalKey) -> Retrieval | None:
        """What was stored; None if nothing was, or it was damaged. Raises CacheUnavailable."""
        name = retrieval_name(key)
        (reply,) = await self._link.call(("GET", name))
        if reply is None:
            return None
        try:
            if reply is WRONG_TYPE:
                raise CorruptRetrieval("the entry is no string")
            return decode_retrieval(expect(bytes, reply), name, key.state, self._seal)
        except CorruptRetrieval as error:
            log.warning("damaged retrieval in %s, searching again: %s", key.query.scope, error)
            self.corrupt_entries += 1
            with suppress(CacheUnavailable):  # the next reader tries again
                await self._link.call(("UNLINK", name))
            return None

    async def put(self, key: RetrievalKey, retrieval: Retrieval, ttl_s: int) -> None:
        """Stores an entry that expires after `ttl_s` seconds. Raises CacheUnavailable."""
        name = retrieval_name(key)
        raw = encode_retrieval(retrieval, name, self._seal)
        await self._link.call(("SET", name, raw, "EX", ttl_s))

    async def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Deletes a tenant's entries, of one collection or all; returns their number.

        Raises CacheUnavailable.
        """
        batches = walk(self._link, retrievals_pattern(tenant, collection))
        return sum([await unlinked(self._link, names) async for names in batches if names])


def retrieval_name(key: RetrievalKey) -> str:
    """The Redis key of an entry: equal only for equal retrieval keys. Raises InvalidRequest."""
    query = key.query
    section = ("", "") if query.section is None else ("section", query.section)
    numbers = (str(query.top_k), str(query.further))
    labels = (*section, query.only.canonical())
    fields = digest(key.state, key.kind, query.text, *numbers, *labels, *query.talk)
    return entry_prefix("ret", query.scope) + fields


def retrievals_pattern(tenant: TenantId, collection: CollectionName | None) -> str:
    """The SCAN pattern of a tenant's retrievals, of one collection or all. Raises InvalidRequest."""
    return entries_pattern("ret", tenant, collection)


class CorruptRetrieval(Exception):
    """The bytes are not an entry of this version under this name; the caller deletes it and searches."""


def encode_retrieval(retrieval: Retrieval, name: str, seal: bytes = b"") -> bytes:
    """The bytes of an entry that is stored under `name`."""
    passages = [astuple(passage) for passage in retrieval.passages]
    payload = zlib.compress(json.dumps([retrieval.generation, passages, retrieval.searched_as]).encode(), 1)
    return _HEAD + _checksum(name, payload, seal) + payload


def decode_retrieval(raw: bytes, name: str, state: str, seal: bytes = b"") -> Retrieval:
    """The retrieval in an entry. The bytes don't contain its `state`, so the caller passes it.

    Raises CorruptRetrieval on any bytes that `encode_retrieval` did not make for this name and with this
    seal.
    """
    payload = raw[HEADER_BYTES:]
    if len(raw) < HEADER_BYTES or not raw.startswith(_HEAD):
        raise CorruptRetrieval("not an entry of this version")
    if not compare_digest(raw[len(_HEAD) : HEADER_BYTES], _checksum(name, payload, seal)):
        raise CorruptRetrieval("wrong checksum or name")
    try:
        generation, passages, searched_as = json.loads(_inflate(payload))
        return Retrieval(
            tuple(_passage(*values) for values in passages),
            _checked(generation, int),
            state,
            _checked(searched_as, str),
        )
    except (ValueError, TypeError, RecursionError, zlib.error) as error:
        raise CorruptRetrieval(str(error)) from error


def _checksum(name: str, payload: bytes, seal: bytes) -> bytes:
    bound = name.encode()
    head = _HEAD + len(bound).to_bytes(2, "little") + bound
    return blake2b(head + payload, digest_size=HEADER_BYTES - len(_HEAD), key=seal).digest()


def _inflate(payload: bytes) -> bytes:
    inflater = zlib.decompressobj()
    plain = inflater.decompress(payload, _MAX_PLAIN_BYTES)
    if not inflater.eof or inflater.unused_data:
        raise CorruptRetrieval("cut off, or larger than any entry")
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
    url: Any,
    start: Any,
    end: Any,
) -> Passage:
    return Passage(
        DocId(_checked(doc_id, str)),
        _checked(title, str),
        _checked(heading, str),
        _optional(section, str),
        _checked(version, int),
        _checked(ordinal, int),
        _checked(body, str),
        float(_checked(score, _Number)),
        None if similarity is None else float(_checked(similarity, _Number)),
        _optional(url, str),
        _optional(start, int),
        _optional(end, int),
    )


def _optional(value: Any, kind: Any) -> Any:
    return None if value is None else _checked(value, kind)


def _checked(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"a field has the type {type(value).__name__}")
    return value
