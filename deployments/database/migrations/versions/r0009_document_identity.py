"""Addresses and metadata of documents, and where in a document each chunk is."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("documents", "document_versions"):
        op.add_column(table, sa.Column("url", sa.Text))
        op.add_column(table, sa.Column("metadata", sa.JSON, nullable=False, server_default="{}"))
    op.add_column("chunks", sa.Column("start_char", sa.Integer))
    op.add_column("chunks", sa.Column("end_char", sa.Integer))
