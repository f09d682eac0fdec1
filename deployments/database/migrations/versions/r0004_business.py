"""Business templates and ideas."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_templates()
    _create_ideas()


def _create_templates() -> None:
    op.create_table(
        "business_templates",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("template_id", sa.String(200), nullable=False),
        sa.Column("business_type", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("template_data", sa.JSON, nullable=False),
        sa.Column("success_metrics", sa.JSON, nullable=False),
        sa.Column("success_score", sa.Float(53), nullable=False),
        sa.Column("user_id", sa.String(200)),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("published_version", sa.Integer, nullable=False),
        sa.Column("created_at_s", sa.Float(53), nullable=False),
        sa.Column("updated_at_s", sa.Float(53), nullable=False),
        sa.Column("embedding_fingerprint", sa.String(200)),
        sa.Column("embedding", sa.LargeBinary),
        sa.PrimaryKeyConstraint("tenant", "template_id", name="pk_business_templates"),
    )
    op.create_index(
        "ix_business_templates_tenant_business_type_success_score",
        "business_templates",
        ["tenant", "business_type", "success_score"],
    )


def _create_ideas() -> None:
    op.create_table(
        "business_ideas",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("idea_id", sa.String(100), nullable=False),
        sa.Column("business_type", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("user_id", sa.String(200)),
        sa.Column("idea", sa.JSON, nullable=False),
        sa.Column("score_explanation", sa.JSON, nullable=False),
        sa.Column("created_at_s", sa.Float(53), nullable=False),
        sa.Column("embedding_fingerprint", sa.String(200)),
        sa.Column("embedding", sa.LargeBinary),
        sa.PrimaryKeyConstraint("tenant", "idea_id", name="pk_business_ideas"),
    )
