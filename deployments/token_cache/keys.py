"""The keys of segments, and the names in Redis of segments, counters and hot paths."""

from __future__ import annotations

from deployments.core.ids import CollectionName, Fingerprint, Scope, SegmentKey, TenantId
from deployments.core.segments import SEGMENT_SCHEMA_VERSION
from deployments.redis.keys import digest, entries_pattern, entry_prefix, scope_name

PATH_SCOPES = "warmline:path-scopes"
"""The sorted set of the scopes that have paths."""


def segment_key(fingerprint: Fingerprint, text: str, *, flags: str = "") -> SegmentKey:
    """Content address of a segment's ids: 48 hex digits over everything that determines the ids.

    `flags` names options of the encoding that the fingerprint does not cover.
    """
    return SegmentKey(digest(fingerprint, flags, str(SEGMENT_SCHEMA_VERSION), text))


def segment_prefix(scope: Scope) -> str:
    """The start of the names of a scope's segments; the key follows. Raises InvalidRequest."""
    return entry_prefix("seg", scope)


def segments_pattern(tenant: TenantId, collection: CollectionName | None) -> str:
    """The SCAN pattern of a tenant's segments, of one collection or all. Raises InvalidRequest."""
    return entries_pattern("seg", tenant, collection)


def counters_name(scope: Scope) -> str:
    """The hash of a scope's counters. Raises InvalidRequest."""
    return scope_name("counters", scope)


def popularity_name(scope: Scope) -> str:
    """The sorted set of a scope's segments by uses. Raises InvalidRequest."""
    return scope_name("popularity", scope)


def counted_name(name: str, writer: str) -> str:
    """The number of the last batch that a writer has added to the counters or popularity key `name`."""
    return f"warmline:counted:{{{name}}}:{writer}"


def paths_name(scope: Scope) -> str:
    """The sorted set of the paths that a scope's prompts begin with. Raises InvalidRequest."""
    return scope_name("paths", scope)
