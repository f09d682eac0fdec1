"""The keys of segments, and the names in Redis of segments, counters, history and hot paths."""

from __future__ import annotations

from deployments.core.ids import CollectionName, Fingerprint, Scope, SegmentKey, TenantId
from deployments.core.segments import SEGMENT_SCHEMA_VERSION
from deployments.redis.keys import digest, entries_pattern, entry_prefix, scope_name

PATH_SCOPES = "warmline:path-scopes"
"""The sorted set of the scopes that have paths."""
MEASURED = "warmline:measured"
"""The hash of what each scope's segments occupy."""
NEXT_MEASURED = "warmline:next:{warmline:measured}"
"""The same, while a walk writes it. In the same slot of a Redis Cluster, because RENAME needs that."""
MEASURING = "warmline:measuring"
"""Exists while a walk measures, and during the pause after it."""
ALL_SEGMENTS = "warmline:seg:*"
"""The pattern of all segments."""


def segment_key(fingerprint: Fingerprint, text: str, *, flags: str = "") -> SegmentKey:
    """Returns the content address of a segment: 48 hex digits over everything that determines its ids.

    `flags` names encoding options that the fingerprint does not cover.
    """
    return SegmentKey(digest(fingerprint, flags, str(SEGMENT_SCHEMA_VERSION), text))


def segment_prefix(scope: Scope) -> str:
    """Returns the start of the names of a scope's segments; the key follows. Raises InvalidRequest."""
    return entry_prefix("seg", scope)


def segments_pattern(tenant: TenantId, collection: CollectionName | None) -> str:
    """Returns the pattern of a tenant's segments, of one collection or all. Raises InvalidRequest."""
    return entries_pattern("seg", tenant, collection)


def counters_name(scope: Scope) -> str:
    """Returns the name of the hash with a scope's counters. Raises InvalidRequest."""
    return scope_name("counters", scope)


def popularity_name(scope: Scope) -> str:
    """Returns the name of the sorted set of a scope's segments, by uses. Raises InvalidRequest."""
    return scope_name("popularity", scope)


def counted_name(name: str, writer: str) -> str:
    """Returns the name of the key that holds the number of the last batch which `writer` has added.

    `name` is the key to which it was added: a scope's counters or popularity.
    """
    return f"warmline:counted:{{{name}}}:{writer}"


def history_name(scope: Scope) -> str:
    """Returns the name of the string with a scope's history. Raises InvalidRequest."""
    return scope_name("history", scope)


def paths_name(scope: Scope) -> str:
    """Returns the name of the sorted set of a scope's hot paths. Raises InvalidRequest."""
    return scope_name("paths", scope)
