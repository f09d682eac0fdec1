"""Limits of tenants, sizes of their documents, and usage by day, key and agent."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("documents", sa.Column("content_bytes", sa.Integer, nullable=False, server_default="0"))
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    size = "length(CAST(content AS BLOB))" if on_sqlite else "octet_length(content)"
    op.execute(f"UPDATE documents SET content_bytes = {size}")  # noqa: S608 -- constants only
    op.create_index("ix_documents_tenant_content_bytes", "documents", ["tenant", "content_bytes"])
    op.create_table(
        "quota_limits",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("quota", sa.String(40), nullable=False),
        sa.Column("limit", sa.BigInteger),
        sa.Column("changed_at_s", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "quota", name="pk_quota_limits"),
    )
    op.create_index("ix_quota_limits_changed_at_s", "quota_limits", ["changed_at_s"])
    op.create_table(
        "usage",
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("agent", sa.String(64), nullable=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("computed_tokens", sa.BigInteger, nullable=False),
        sa.Column("reused_tokens", sa.BigInteger, nullable=False),
        sa.Column("completion_tokens", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("day", "tenant", "key", "agent", name="pk_usage"),
    )
    op.create_index("ix_usage_tenant_day", "usage", ["tenant", "day"])
    op.create_table(
        "usage_writers",
        sa.Column("writer", sa.String(64), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("writer", name="pk_usage_writers"),
    )
    op.create_index("ix_usage_writers_day", "usage_writers", ["day"])
