"""Labels of documents, to filter by, the latest changes of collections, and chunks by collection."""

import json
from hashlib import blake2b

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_BATCH = 1_000
_documents = sa.table(
    "documents",
    sa.column("id", sa.Integer),
    sa.column("tenant", sa.String),
    sa.column("collection", sa.String),
    sa.column("metadata", sa.JSON),
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        # Writers of documents read this table FOR SHARE first, so they wait here, and meet no lock half way.
        op.execute("LOCK TABLE indexes IN EXCLUSIVE MODE")
    op.create_table(
        "collection_changes",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("collection", sa.String(64), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("document_id", sa.Integer, nullable=False),
        sa.Column("stamp", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant", "collection", "generation", "document_id", name="pk_collection_changes"
        ),
        sqlite_with_rowid=False,
    )
    labels = op.create_table(
        "document_labels",
        sa.Column("label", sa.LargeBinary(16), nullable=False),
        sa.Column("document_id", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("label", "document_id", name="pk_document_labels"),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name="fk_document_labels_document_id", ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
    _fill(labels)
    op.create_index("ix_document_labels_document_id", "document_labels", ["document_id"])
    op.add_column("chunks", sa.Column("scope_key", sa.BigInteger, nullable=False, server_default="0"))
    _fill_scope_keys()
    op.drop_index("ix_chunks_segment_hash", "chunks")
    columns = ["index_id", "scope_key", "segment_hash"]
    op.create_index("ix_chunks_index_id_scope_key_segment_hash", "chunks", columns)


def _fill(labels: sa.Table) -> None:
    after, columns = 0, _documents.c
    while True:
        some = sa.select(_documents).where(columns.id > after).order_by(columns.id).limit(_BATCH)
        found = op.get_bind().execute(some).all()
        rows = [
            {"label": _label(row.tenant, row.collection, key, value), "document_id": row.id}
            for row in found
            for key, value in row.metadata.items()
        ]
        if rows:
            op.bulk_insert(labels, rows)
        if len(found) < _BATCH:
            return
        after = found[-1].id


def _fill_scope_keys() -> None:
    connection, columns = op.get_bind(), _documents.c
    scopes = connection.execute(sa.select(columns.tenant, columns.collection).distinct()).all()
    for tenant, collection in scopes:
        name = f"{tenant}/{collection}".encode()
        key = int.from_bytes(blake2b(name, digest_size=8).digest(), signed=True)
        of_scope = "SELECT id FROM documents WHERE tenant = :tenant AND collection = :collection"
        connection.execute(
            sa.text(f"UPDATE chunks SET scope_key = :key WHERE document_id IN ({of_scope})"),  # noqa: S608
            {"key": key, "tenant": tenant, "collection": collection},
        )


def _label(*parts: str) -> bytes:
    return blake2b(json.dumps(parts).encode(), digest_size=16).digest()
