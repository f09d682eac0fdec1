"""The tables of API keys and of the audit."""

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
