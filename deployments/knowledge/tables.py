"""The tables of the knowledge base. `fulltext` has the text index, which differs by SQL dialect."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
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
    # Each change increments it in its transaction, so that caches of search results notice the change.
    Column("generation", Integer, nullable=False),
    # Random, replaced by each change. In a database restored from a backup, the generation can repeat
    # for other contents; the stamp can't.
    Column("stamp", String(32), nullable=False, server_default=""),
)

collection_changes = Table(
    "collection_changes",
    metadata,
    # The latest changes of each collection: the documents that they were about, and the stamps they made.
    Column("tenant", String(64), primary_key=True),
    Column("collection", String(64), primary_key=True),
    Column("generation", Integer, primary_key=True),
    # The document may be deleted.
    Column("document_id", Integer, primary_key=True),
    Column("stamp", String(32), nullable=False),
    sqlite_with_rowid=False,
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
    Column("url", Text),
    # An object of texts.
    Column("metadata", JSON, nullable=False, server_default="{}"),
    Column("content", Text, nullable=False),
    Column("content_bytes", Integer, nullable=False, server_default="0"),
    # Wordings under which people ask for the document, one a line.
    Column("asked_as", Text, nullable=False, server_default=""),
    # Of the upload that the document was read from: see `digests`. NULL in rows of earlier versions.
    Column("digest", String(64)),
    Column("version", Integer, nullable=False),
    Column("created_at_s", Float(53), nullable=False),
    Column("updated_at_s", Float(53), nullable=False),
    UniqueConstraint("tenant", "collection", "doc_id"),
    # A tenant's documents and bytes are counted in it.
    Index(None, "tenant", "content_bytes"),
    sqlite_autoincrement=True,
)

document_labels = Table(
    "document_labels",
    metadata,
    # Of the documents' metadata, to filter by: see `labels.label_of`.
    Column("label", LargeBinary(16), primary_key=True),
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    Index(None, "document_id"),
    sqlite_with_rowid=False,
)

document_versions = Table(
    "document_versions",
    metadata,
    # Earlier versions only; the current version is in `documents`.
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("title", Text, nullable=False),
    Column("section", Text),
    Column("url", Text),
    Column("metadata", JSON, nullable=False, server_default="{}"),
    Column("content", Text, nullable=False),
    Column("stored_at_s", Float(53), nullable=False),
    Index(None, "stored_at_s"),
)

indexes = Table(
    "indexes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("embedding_fingerprint", String(200), nullable=False),
    Column("tokenizer_fingerprint", String(200), nullable=False),
    Column("chunk_tokens", Integer, nullable=False),
    # Of the code that cut the documents: see `chunking.CHUNKING_VERSION`.
    Column("chunking_version", Integer, nullable=False, server_default="1"),
    # Random key of the hashes of words: see `fulltext.TextScope`.
    Column("word_key", LargeBinary(16), nullable=False, server_default=""),
    # "active" (exactly one, which serves) or "building".
    Column("status", String(16), nullable=False),
    sqlite_autoincrement=True,
)

chunks = Table(
    "chunks",
    metadata,
    # Never reused (hence autoincrement): caches of vectors identify chunks by it.
    Column("id", Integer, primary_key=True),
    Column("index_id", ForeignKey("indexes.id", ondelete="CASCADE"), nullable=False),
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("heading", Text, nullable=False),
    Column("body", Text, nullable=False),
    # The range of the document's content that the body was made from, in Unicode code points. NULL in
    # rows of versions that did not record it.
    Column("start_char", Integer),
    Column("end_char", Integer),
    # Of the collection: see `stored_chunks.scope_key`.
    Column("scope_key", BigInteger, nullable=False, server_default="0"),
    # sha256 of the segment's text, hex.
    Column("segment_hash", String(64), nullable=False),
    # float32, little-endian; NULL if the process that wrote the chunk uses another embedding model than
    # the index.
    Column("embedding", LargeBinary),
    Index(None, "index_id", "document_id"),
    Index(None, "document_id"),
    # With the index first, since SQLite would read all chunks of an index rather than look hashes up; and by
    # collection, since the time must not tell whether others have the same text.
    Index(None, "index_id", "scope_key", "segment_hash"),
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
