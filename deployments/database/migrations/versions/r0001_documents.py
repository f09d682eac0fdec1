"""Documents, their chunks and embeddings, and full text."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_collections()
    _create_documents()
    _create_indexes()
    _create_chunks()
    _create_milestones()
    if op.get_bind().dialect.name == "sqlite":
        _create_sqlite_search()
    else:
        _create_postgresql_search()


def _create_collections() -> None:
    op.create_table(
        "collections",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", name="pk_collections"),
    )


def _create_documents() -> None:
    op.create_table(
        "documents",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("collection", sa.String(64), nullable=False),
        sa.Column("doc_id", sa.String(200), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("section", sa.Text),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at_s", sa.Float(53), nullable=False),
        sa.Column("updated_at_s", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_documents"),
        sa.UniqueConstraint("tenant", "collection", "doc_id", name="uq_documents_tenant_collection_doc_id"),
        sqlite_autoincrement=True,
    )


def _create_indexes() -> None:
    op.create_table(
        "indexes",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("embedding_fingerprint", sa.String(200), nullable=False),
        sa.Column("tokenizer_fingerprint", sa.String(200), nullable=False),
        sa.Column("chunk_tokens", sa.Integer, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_indexes"),
        sqlite_autoincrement=True,
    )


def _create_chunks() -> None:
    op.create_table(
        "chunks",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("index_id", sa.Integer, nullable=False),
        sa.Column("document_id", sa.Integer, nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("heading", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("segment_hash", sa.String(64), nullable=False),
        sa.Column("embedding", sa.LargeBinary),
        sa.PrimaryKeyConstraint("id", name="pk_chunks"),
        sa.ForeignKeyConstraint(["index_id"], ["indexes.id"], name="fk_chunks_index_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name="fk_chunks_document_id", ondelete="CASCADE"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_chunks_index_id_document_id", "chunks", ["index_id", "document_id"])
    op.create_index("ix_chunks_document_id", "chunks", ["document_id"])
    op.create_index("ix_chunks_segment_hash", "chunks", ["segment_hash"])


def _create_milestones() -> None:
    op.create_table(
        "milestones",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("reached_at_s", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_milestones"),
    )


def _create_sqlite_search() -> None:
    op.execute(
        "CREATE VIRTUAL TABLE chunk_search USING fts5"
        "(title, heading, body, tokenize = 'porter unicode61 remove_diacritics 2')"
    )
    # A virtual table takes no foreign key. The trigger fires on cascaded deletions, too.
    op.execute(
        "CREATE TRIGGER chunk_search_gone AFTER DELETE ON chunks "
        "BEGIN DELETE FROM chunk_search WHERE rowid = old.id; END"
    )


def _create_postgresql_search() -> None:
    op.execute(
        "CREATE TABLE chunk_search "
        "(chunk_id integer PRIMARY KEY REFERENCES chunks (id) ON DELETE CASCADE, "
        "words tsvector NOT NULL)"
    )
    op.execute("CREATE INDEX ix_chunk_search_words ON chunk_search USING gin (words)")
