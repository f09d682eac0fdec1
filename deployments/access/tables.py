"""The tables of API keys, the audit, quotas and usage."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, String, Table

from deployments.database.metadata import metadata

api_keys = Table(
    "api_keys",
    metadata,
    Column("tenant", String(64), primary_key=True),
    # Ids start with their time, so they sort by creation.
    Column("key_id", String(64), primary_key=True),
    Column("name", String(100), nullable=False),
    # KeyScopes, separated by blanks.
    Column("scopes", String(100), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    # The secret before the last rotation, and until when it is valid.
    Column("former_digest", LargeBinary(32)),
    Column("former_until_s", Float(53)),
    Column("created_at_s", Float(53), nullable=False),
    Column("expires_at_s", Float(53)),
    Column("revoked_at_s", Float(53)),
    Column("last_used_at_s", Float(53)),
    # The list's revision after the key's last change.
    Column("revision", BigInteger, nullable=False),
    Index(None, "revision"),
    Index(None, "revoked_at_s"),
)

key_revisions = Table(
    "key_revisions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("revision", BigInteger, nullable=False),
)
"""One row: the revision of the list of keys."""

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("entry_id", String(64), primary_key=True),
    Column("at_s", Float(53), nullable=False),
    Column("key_id", String(64), nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("request_id", String(128), nullable=False),
    Index(None, "at_s"),
)

quota_limits = Table(
    "quota_limits",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("quota", String(40), primary_key=True),
    # NULL: the default again. The row stays, so that readers see the change.
    Column("limit", BigInteger),
    Column("changed_at_s", Float(53), nullable=False),
    Index(None, "changed_at_s"),
)

usage = Table(
    "usage",
    metadata,
    # Days since 1970, in UTC.
    Column("day", Integer, primary_key=True),
    Column("tenant", String(64), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("agent", String(64), primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("computed_tokens", BigInteger, nullable=False),
    Column("reused_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Index(None, "tenant", "day"),
)

usage_writers = Table(
    "usage_writers",
    metadata,
    Column("writer", String(64), primary_key=True),
    # The writer's last batch, so that a repeated one is not added twice.
    Column("number", BigInteger, nullable=False),
    Column("day", Integer, nullable=False),
    Index(None, "day"),
)
