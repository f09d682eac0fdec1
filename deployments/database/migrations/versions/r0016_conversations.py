"""Conversations and their turns."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_conversations()
    _create_turns()
    op.create_table(
        "conversation_erasures",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("erasures", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("tenant", name="pk_conversation_erasures"),
    )


def _create_conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("conversation_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(200)),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("created_at_s", sa.Float(53), nullable=False),
        sa.Column("used_at_s", sa.Float(53), nullable=False),
        sa.Column("last_turn", sa.String(64)),
        sa.Column("turns", sa.Integer, nullable=False),
        sa.Column("stored_bytes", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "conversation_id", name="pk_conversations"),
    )
    op.create_index("ix_conversations_used_at_s", "conversations", ["used_at_s"])
    for column in ("used_at_s", "user_id", "stored_bytes"):
        op.create_index(f"ix_conversations_tenant_{column}", "conversations", ["tenant", column])


def _create_turns() -> None:
    op.create_table(
        "conversation_turns",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("turn_id", sa.String(64), nullable=False),
        sa.Column("conversation_id", sa.String(64), nullable=False),
        sa.Column("follows", sa.String(64)),
        sa.Column("previous", sa.String(64)),
        sa.Column("agent", sa.String(64), nullable=False),
        sa.Column("created_at_s", sa.Float(53), nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("finish_reason", sa.String(16), nullable=False),
        sa.Column("documents", sa.LargeBinary, nullable=False),
        sa.Column("history", sa.JSON, nullable=False),
        sa.Column("sources", sa.LargeBinary, nullable=False),
        sa.Column("instructions", sa.Text, nullable=False),
        sa.Column("limited_to", sa.String(64), nullable=False),
        sa.Column("tokenizer", sa.String(64), nullable=False),
        sa.Column("asked", sa.LargeBinary, nullable=False),
        sa.Column("answered", sa.LargeBinary, nullable=False),
        sa.Column("prompt_tokens", sa.Integer, nullable=False),
        sa.Column("cached_tokens", sa.Integer, nullable=False),
        sa.Column("answer_tokens", sa.Integer, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "turn_id", name="pk_conversation_turns"),
        sa.ForeignKeyConstraint(
            ["tenant", "conversation_id"],
            ["conversations.tenant", "conversations.conversation_id"],
            name="fk_conversation_turns_conversations",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_conversation_turns_tenant_conversation_id",
        "conversation_turns",
        ["tenant", "conversation_id"],
    )
