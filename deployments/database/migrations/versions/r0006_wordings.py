"""Wordings under which people ask for a document."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("documents", sa.Column("asked_as", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "wordings",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("index_id", sa.Integer, nullable=False),
        sa.Column("document_id", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("embedding", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_wordings"),
        sa.ForeignKeyConstraint(
            ["index_id"], ["indexes.id"], name="fk_wordings_index_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name="fk_wordings_document_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_wordings_index_id_document_id", "wordings", ["index_id", "document_id"])
    op.create_index("ix_wordings_document_id", "wordings", ["document_id"])
