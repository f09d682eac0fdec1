"""Erasures, and indexes by which old versions, tickets and ideas are found."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("erasure_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("collection", sa.String(64)),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("found", sa.JSON, nullable=False),
        sa.Column("removed", sa.JSON, nullable=False),
        sa.Column("problem", sa.Text),
        sa.Column("requested_at_s", sa.Float(53), nullable=False),
        sa.Column("finished_at_s", sa.Float(53)),
        sa.Column("held_until_s", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "erasure_id", name="pk_erasures"),
    )
    op.create_index("ix_erasures_finished_at_s", "erasures", ["finished_at_s"])
    op.create_index("ix_document_versions_stored_at_s", "document_versions", ["stored_at_s"])
    op.create_index("ix_tickets_updated_at_s", "tickets", ["updated_at_s"])
    op.create_index("ix_business_ideas_created_at_s", "business_ideas", ["created_at_s"])
