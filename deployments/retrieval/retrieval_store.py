"""Retrievals in Redis, shared by all replicas. Uses only commands that Redis 6.2 has.

A collection has one hash. Its entries are deleted with every change of the collection, since they hold whole
passages and no answer could use them any more. The field "" has the collection's generation: a late writer
with an older one is refused.

An entry, as bytes:

    offset  size  field
    0       2     magic
    2       1     version
    3       16    BLAKE2b, keyed with the seal, over the bytes before, the entry's name and the payload
    19            payload: JSON, deflated: [generation, [[doc_id, title, ...], ...], searched_as]

The checksum covers the names of hash and field, so an entry that was copied elsewhere counts as damaged. With
a seal it is a MAC, and an entry by anybody who lacks the seal counts as damaged, too.
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
from deployments.core.ids import CollectionName, DocId, Scope, TenantId
from deployments.redis.connection import WRONG_TYPE, RedisLink, expect
from deployments.redis.keys import digest, scope_name, scopes_pattern
from deployments.redis.replication import replicated
from deployments.redis.walking import walk
from deployments.retrieval.cached_retriever import RetrievalKey

log = logging.getLogger(__name__)

HEADER_BYTES = 19
MAX_ENTRIES = 4096
"""Entries of a collection. Beyond that, random ones are deleted."""
_HEAD = b"\xf1R\x04"
_MAX_PLAIN_BYTES = 32 * 2**20
_REFUSING_S = 600
"""How long an emptied hash refuses late writers: longer than any request runs."""
_Number = int | float

_KNOWN = """
local found = redis.pcall('HGET', KEYS[1], '')
local readable = type(found) ~= 'table'
local known = readable and tonumber(found or -1) or -1
"""
"""Reads the generation of the hash KEYS[1] into `known`: -1 if there is none."""

_PUT = (
    _KNOWN
    + """
local generation, ttl_s, most = tonumber(ARGV[1]), tonumber(ARGV[4]), tonumber(ARGV[5])
if generation < known then return 0 end
if generation > known then
  redis.call('UNLINK', KEYS[1])
  redis.call('HSET', KEYS[1], '', ARGV[1])
elseif redis.call('HLEN', KEYS[1]) > most then
  redis.call('HDEL', KEYS[1], unpack(redis.call('HRANDFIELD', KEYS[1], 64)))
end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
if redis.call('TTL', KEYS[1]) < ttl_s then redis.call('EXPIRE', KEYS[1], ttl_s) end
return 1
"""
)
"""Stores an entry. ARGV: its generation, field and value, seconds to keep the hash, most entries."""

_FORGET = (
    _KNOWN
    + """
local generation, kept_s = tonumber(ARGV[1]), tonumber(ARGV[2])
if generation >= 0 and known >= generation then return 0 end
local entries = readable and redis.call('HLEN', KEYS[1]) - (found and 1 or 0) or 1
redis.call('UNLINK', KEYS[1])
redis.call('HSET', KEYS[1], '', string.format('%d', math.max(known, generation)))
redis.call('EXPIRE', KEYS[1], kept_s)
return entries
"""
)
"""Deletes the entries older than a generation, or all if it is -1, and refuses such entries from now on.

ARGV: the generation, and for how many seconds they are refused. Returns how many entries there were.
"""


class RedisRetrievalStore:
    """A `RetrievalStore`. `corrupt_entries` counts the damaged entries that it found and deleted."""

    def __init__(self, link: RedisLink, seal: bytes = b"") -> None:
        """`seal` is the key of the entries' checksums, b"" for a checksum without."""
        self._link = link
        self._seal = seal
        self.corrupt_entries = 0

    async def get(self, key: RetrievalKey) -> Retrieval | None:
        """What was stored; None if nothing was, or it was damaged. Raises CacheUnavailable."""
        name, field = retrievals_name(key.query.scope), retrieval_field(key)
        (reply,) = await self._link.call(("HGET", name, field))
        if reply is None:
            return None
        try:
            if reply is WRONG_TYPE:
                raise CorruptRetrieval("the entry is in no hash")
            return decode_retrieval(expect(bytes, reply), f"{name}:{field}", key.state, self._seal)
        except CorruptRetrieval as error:
            log.warning("damaged retrieval in %s, searching again: %s", key.query.scope, error)
            self.corrupt_entries += 1
            damaged = ("UNLINK", name) if reply is WRONG_TYPE else ("HDEL", name, field)
            with suppress(CacheUnavailable):  # the next reader tries again
                await self._link.call(damaged)
            return None

    async def put(self, key: RetrievalKey, retrieval: Retrieval, ttl_s: int) -> None:
        """Stores an entry, and keeps the collection's entries for `ttl_s` seconds or longer.

        Does nothing if the collection has changed since the search. Raises CacheUnavailable.
        """
        name, field = retrievals_name(key.query.scope), retrieval_field(key)
        entry = encode_retrieval(retrieval, f"{name}:{field}", self._seal)
        values = (retrieval.generation, field, entry, ttl_s, MAX_ENTRIES)
        await self._link.call(("EVAL", _PUT, 1, name, *values))

    async def forget(self, scope: Scope, generation: int) -> int:
        """Deletes a collection's entries of earlier generations; returns how many there were.

        Entries that replicas still hold of them are refused. Raises CacheUnavailable.
        """
        return await self._forget(retrievals_name(scope), generation)

    async def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Deletes a tenant's entries, of one collection or all, also from replicas; returns their number.

        Raises CacheUnavailable.
        """
        async with replicated(self._link):
            if collection is not None:
                return await self._forget(retrievals_name(Scope(tenant, collection)), -1)
            batches = walk(self._link, retrievals_pattern(tenant))
            return sum([await self._forget(name, -1) async for names in batches for name in set(names)])

    async def _forget(self, name: str | bytes, generation: int) -> int:
        (count,) = await self._link.call(("EVAL", _FORGET, 1, name, generation, _REFUSING_S))
        return expect(int, count)


def retrievals_name(scope: Scope) -> str:
    """The Redis key of a collection's retrievals. Raises InvalidRequest."""
    return scope_name("ret", scope)


def retrievals_pattern(tenant: TenantId) -> str:
    """The SCAN pattern of the keys of all retrievals of a tenant. Raises InvalidRequest."""
    return scopes_pattern("ret", tenant)


def retrieval_field(key: RetrievalKey) -> str:
    """The field of an entry in its collection's hash: equal only for equal retrieval keys."""
    query = key.query
    section = ("", "") if query.section is None else ("section", query.section)
    numbers = (str(query.top_k), str(query.further))
    labels = (*section, query.only.canonical())
    return digest(key.state, key.kind, query.text, *numbers, *labels, *query.talk)


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
