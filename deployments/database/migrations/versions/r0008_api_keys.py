"""API keys, and the record of what administrators did."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("key_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("scopes", sa.String(100), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("former_digest", sa.LargeBinary(32)),
        sa.Column("former_until_s", sa.Float(53)),
        sa.Column("created_at_s", sa.Float(53), nullable=False),
        sa.Column("expires_at_s", sa.Float(53)),
        sa.Column("revoked_at_s", sa.Float(53)),
        sa.Column("last_used_at_s", sa.Float(53)),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "key_id", name="pk_api_keys"),
    )
    op.create_index("ix_api_keys_revision", "api_keys", ["revision"])
    op.create_index("ix_api_keys_revoked_at_s", "api_keys", ["revoked_at_s"])
    revisions = op.create_table(
        "key_revisions",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_key_revisions"),
    )
    op.bulk_insert(revisions, [{"id": 1, "revision": 1}])
    op.create_table(
        "audit_entries",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("entry_id", sa.String(64), nullable=False),
        sa.Column("at_s", sa.Float(53), nullable=False),
        sa.Column("key_id", sa.String(64), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "entry_id", name="pk_audit_entries"),
    )
    op.create_index("ix_audit_entries_at_s", "audit_entries", ["at_s"])
