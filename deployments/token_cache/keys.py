"""Every name under which this application keeps something in Redis, and how long it lives.

    name                                        type    lifetime
    warmline:seg:{tenant}/{collection}:{key}    string  TTL of its collection, see `ttl.py`
    warmline:ret:{tenant}/{collection}:{key}    string  TTL by its collection's rhythm, see `ttl.py`
    warmline:counters:{tenant}/{collection}     hash    none; as many fields as the code has counters
    warmline:popularity:{tenant}/{collection}   zset    none; trimmed to the most used, see `counters.py`
    warmline:counted:{name}:{writer}            string  a day after the last batch, see `counters.py`
    warmline:paths:{tenant}/{collection}        zset    none; trimmed to the hottest, see `hot_paths.py`
    warmline:path-scopes                        zset    none; trimmed likewise, with the above

The braces around `name`, which is that of counters or popularity, are in the key: a cluster keeps both in
one slot, so that one script may touch them.

Under memory pressure only what has a TTL is evicted (policy `volatile-lfu`), so what has none is bounded
by its own code.

A tenant's name has no `/` and a collection's no `:`, so no prefix of one is a prefix of another's
('a/' is none of 'ab/'), and neither has a glob character, so a SCAN pattern means itself. The scope is
checked again here: a name that came past `core.ids` unchecked must not reach a pattern.
"""

from __future__ import annotations

from hashlib import blake2b

from deployments.core.ids import (
    CollectionName,
    Fingerprint,
    Scope,
    SegmentKey,
    TenantId,
    collection_name,
    tenant_id,
)
from deployments.core.retrievals import RetrievalKey
from deployments.core.segments import SEGMENT_SCHEMA_VERSION

_DIGEST_BYTES = 24

PATH_SCOPES = "warmline:path-scopes"
"""The sorted set of the scopes that have paths."""


def segment_key(fingerprint: Fingerprint, text: str, *, flags: str = "") -> SegmentKey:
    """Content address of a segment's ids: 48 hex digits over all that decides them.

    `flags` names options of the encoding beyond the fingerprint. Each field is preceded by its
    length, so that no two different sets of fields run together into the same bytes; lone
    surrogates, which JSON can carry, are bytes of their own.
    """
    return SegmentKey(_digest(fingerprint, flags, str(SEGMENT_SCHEMA_VERSION), text))


def segment_prefix(scope: Scope) -> str:
    """What the names of a scope's segments start with; the key follows. Raises InvalidRequest."""
    return f"warmline:seg:{_checked(scope)}:"


def segments_pattern(tenant: TenantId, collection: CollectionName | None) -> str:
    """SCAN pattern of a tenant's segments, of one collection or all. Raises InvalidRequest."""
    if collection is None:
        return f"warmline:seg:{tenant_id(tenant)}/*"
    return f"{segment_prefix(Scope(tenant, collection))}*"


def retrieval_name(key: RetrievalKey) -> str:
    """The entry of a retrieval. Its last part is a hash over all that decides the answer.

    Raises InvalidRequest.
    """
    query = key.query
    section = ("", "") if query.section is None else ("section", query.section)
    last = _digest(key.state, key.kind, query.text, str(query.top_k), *section)
    return f"warmline:ret:{_checked(query.scope)}:{last}"


def retrievals_pattern(tenant: TenantId, collection: CollectionName | None) -> str:
    """SCAN pattern of a tenant's retrievals, of one collection or all. Raises InvalidRequest."""
    if collection is None:
        return f"warmline:ret:{tenant_id(tenant)}/*"
    return f"warmline:ret:{_checked(Scope(tenant, collection))}:*"


def counters_name(scope: Scope) -> str:
    """The hash of a scope's counters. Raises InvalidRequest."""
    return f"warmline:counters:{_checked(scope)}"


def popularity_name(scope: Scope) -> str:
    """The sorted set of a scope's segments by uses. Raises InvalidRequest."""
    return f"warmline:popularity:{_checked(scope)}"


def counted_name(name: str, writer: str) -> str:
    """The number of the last batch that a writer has added to counters or popularity of this name."""
    return f"warmline:counted:{{{name}}}:{writer}"


def paths_name(scope: Scope) -> str:
    """The sorted set of how a scope's prompts begin. Raises InvalidRequest."""
    return f"warmline:paths:{_checked(scope)}"


def _digest(*fields: str) -> str:
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for field in fields:
        raw = field.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "little"))
        digest.update(raw)
    return digest.hexdigest()


def _checked(scope: Scope) -> str:
    return f"{tenant_id(scope.tenant)}/{collection_name(scope.collection)}"
