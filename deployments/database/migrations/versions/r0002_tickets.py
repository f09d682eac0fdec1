"""Tickets, their events, and idempotency keys."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_tickets()
    _create_ticket_events()
    _create_idempotency_keys()


def _create_tickets() -> None:
    op.create_table(
        "tickets",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("ticket_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(200), nullable=False),
        sa.Column("issue_description", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("priority", sa.String(16), nullable=False),
        sa.Column("original_priority", sa.String(16), nullable=False),
        sa.Column("created_at_s", sa.Float(53), nullable=False),
        sa.Column("updated_at_s", sa.Float(53), nullable=False),
        sa.Column("waiting_since_s", sa.Float(53), nullable=False),
        sa.Column("sla_deadline_s", sa.Float(53), nullable=False),
        sa.Column("sla_breached", sa.Boolean, nullable=False),
        sa.Column("first_response_at_s", sa.Float(53)),
        sa.Column("resolved_at_s", sa.Float(53)),
        sa.Column("escalations", sa.Integer, nullable=False),
        sa.Column("reopenings", sa.Integer, nullable=False),
        sa.Column("escalation_team", sa.String(100)),
        sa.Column("resolution_type", sa.String(32)),
        sa.Column("solution", sa.Text),
        sa.Column("rating", sa.Integer),
        sa.Column("in_memory", sa.Boolean, nullable=False),
        sa.Column("solution_in_memory", sa.Boolean, nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "ticket_id", name="pk_tickets"),
    )
    op.create_index("ix_tickets_tenant_created_at_s", "tickets", ["tenant", "created_at_s"])
    op.create_index("ix_tickets_tenant_user_id_ticket_id", "tickets", ["tenant", "user_id", "ticket_id"])
    op.create_index("ix_tickets_tenant_status_ticket_id", "tickets", ["tenant", "status", "ticket_id"])


def _create_ticket_events() -> None:
    op.create_table(
        "ticket_events",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("ticket_id", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at_s", sa.Float(53), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "ticket_id", "number", name="pk_ticket_events"),
        sa.ForeignKeyConstraint(
            ["tenant", "ticket_id"],
            ["tickets.tenant", "tickets.ticket_id"],
            name="fk_ticket_events_tickets",
            ondelete="CASCADE",
        ),
    )


def _create_idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("operation", sa.String(64), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("response", sa.Text),
        sa.Column("created_at_s", sa.Float(53), nullable=False),
        sa.Column("held_until_s", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "operation", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_created_at_s", "idempotency_keys", ["created_at_s"])
