"""The tables of conversations and their turns."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from deployments.database.metadata import metadata

conversations = Table(
    "conversations",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("conversation_id", String(64), primary_key=True),
    Column("user_id", String(200)),
    # An object of texts.
    Column("metadata", JSON, nullable=False),
    Column("created_at_s", Float(53), nullable=False),
    Column("used_at_s", Float(53), nullable=False),
    # No foreign key, since turns refer to conversations.
    Column("last_turn", String(64)),
    Column("turns", Integer, nullable=False),
    # Bytes of its metadata and its turns' texts and ids.
    Column("stored_bytes", BigInteger, nullable=False),
    Index(None, "used_at_s"),
    Index(None, "tenant", "used_at_s"),
    Index(None, "tenant", "user_id"),
    # A tenant's conversations and bytes are counted in it.
    Index(None, "tenant", "stored_bytes"),
)

conversation_erasures = Table(
    "conversation_erasures",
    metadata,
    Column("tenant", String(64), primary_key=True),
    # How many erasures have begun to delete the tenant's conversations.
    Column("erasures", Integer, nullable=False),
)

turns = Table(
    "conversation_turns",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("turn_id", String(64), primary_key=True),
    Column("conversation_id", String(64), nullable=False),
    # No foreign key: a turn can be deleted before those that follow it.
    Column("follows", String(64)),
    Column("previous", String(64)),
    Column("agent", String(64), nullable=False),
    Column("created_at_s", Float(53), nullable=False),
    Column("question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("finish_reason", String(16), nullable=False),
    # sha256 digests of document segments, 32 bytes each.
    Column("documents", LargeBinary, nullable=False),
    # A list of [question, answer, [digest in hex, ...]].
    Column("history", JSON, nullable=False),
    # As `documents`.
    Column("sources", LargeBinary, nullable=False),
    Column("instructions", Text, nullable=False),
    Column("limited_to", String(64), nullable=False),
    Column("tokenizer", String(64), nullable=False),
    # Token ids, little-endian, 32 bits each.
    Column("asked", LargeBinary, nullable=False),
    Column("answered", LargeBinary, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("cached_tokens", Integer, nullable=False),
    Column("answer_tokens", Integer, nullable=False),
    Column("note", Text, nullable=False),
    ForeignKeyConstraint(
        ["tenant", "conversation_id"],
        ["conversations.tenant", "conversations.conversation_id"],
        ondelete="CASCADE",
    ),
    Index(None, "tenant", "conversation_id"),
)
