"""The tables of the knowledge base. Their text index is dialect-specific; see `fulltext`."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from deployments.database.metadata import metadata

collections = Table(
    "collections",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    # Rises in the transaction of each change, so that whoever cached a search can tell.
    Column("generation", Integer, nullable=False),
    # Random, new with each change: unlike the generation it can't come again for other contents, in a
    # database restored to an earlier day.
    Column("stamp", String(32), nullable=False, server_default=""),
)

documents = Table(
    "documents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("collection", String(64), nullable=False),
    Column("doc_id", String(200), nullable=False),
    Column("title", Text, nullable=False),
    Column("section", Text),
    Column("content", Text, nullable=False),
    # Wordings under which people ask for it, one a line.
    Column("asked_as", Text, nullable=False, server_default=""),
    Column("version", Integer, nullable=False),
    Column("created_at_s", Float(53), nullable=False),
    Column("updated_at_s", Float(53), nullable=False),
    UniqueConstraint("tenant", "collection", "doc_id"),
    sqlite_autoincrement=True,
)

document_versions = Table(
    "document_versions",
    metadata,
    # What documents were before their last change; their present text is in `documents` alone.
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("title", Text, nullable=False),
    Column("section", Text),
    Column("content", Text, nullable=False),
    Column("stored_at_s", Float(53), nullable=False),
)

indexes = Table(
    "indexes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("embedding_fingerprint", String(200), nullable=False),
    Column("tokenizer_fingerprint", String(200), nullable=False),
    Column("chunk_tokens", Integer, nullable=False),
    # "active" (exactly one, which serves) or "building".
    Column("status", String(16), nullable=False),
    sqlite_autoincrement=True,
)

chunks = Table(
    "chunks",
    metadata,
    # Never used twice (hence autoincrement): caches of vectors know chunks by it.
    Column("id", Integer, primary_key=True),
    Column("index_id", ForeignKey("indexes.id", ondelete="CASCADE"), nullable=False),
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("heading", Text, nullable=False),
    Column("body", Text, nullable=False),
    # sha256 of the segment's text, hex.
    Column("segment_hash", String(64), nullable=False),
    # float32, little-endian; absent when the index is of another embedding model than the writer's.
    Column("embedding", LargeBinary),
    Index(None, "index_id", "document_id"),
    Index(None, "document_id"),
    Index(None, "segment_hash"),
    sqlite_autoincrement=True,
)

wordings = Table(
    "wordings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("index_id", ForeignKey("indexes.id", ondelete="CASCADE"), nullable=False),
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), nullable=False),
    Column("body", Text, nullable=False),
    # float32, little-endian.
    Column("embedding", LargeBinary, nullable=False),
    Index(None, "index_id", "document_id"),
    Index(None, "document_id"),
)
