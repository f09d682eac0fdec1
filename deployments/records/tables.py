"""The tables of tickets and idempotency keys."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from deployments.database.metadata import metadata

tickets = Table(
    "tickets",
    metadata,
    Column("tenant", String(64), primary_key=True),
    # Ids start with their time, so they sort by creation.
    Column("ticket_id", String(64), primary_key=True),
    Column("user_id", String(200), nullable=False),
    Column("issue_description", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("priority", String(16), nullable=False),
    Column("original_priority", String(16), nullable=False),
    Column("created_at_s", Float(53), nullable=False),
    Column("updated_at_s", Float(53), nullable=False),
    Column("waiting_since_s", Float(53), nullable=False),
    Column("sla_deadline_s", Float(53), nullable=False),
    Column("sla_breached", Boolean, nullable=False),
    Column("first_response_at_s", Float(53)),
    Column("resolved_at_s", Float(53)),
    Column("escalations", Integer, nullable=False),
    Column("reopenings", Integer, nullable=False),
    Column("escalation_team", String(100)),
    Column("resolution_type", String(32)),
    Column("solution", Text),
    Column("rating", Integer),
    Column("in_memory", Boolean, nullable=False),
    Column("solution_in_memory", Boolean, nullable=False),
    Column("events", Integer, nullable=False),
    Index(None, "updated_at_s"),
    Index(None, "tenant", "created_at_s"),
    Index(None, "tenant", "user_id", "ticket_id"),
    Index(None, "tenant", "status", "ticket_id"),
)

ticket_events = Table(
    "ticket_events",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("ticket_id", String(64), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("at_s", Float(53), nullable=False),
    Column("status", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("details", JSON, nullable=False),
    ForeignKeyConstraint(
        ["tenant", "ticket_id"],
        ["tickets.tenant", "tickets.ticket_id"],
        name="fk_ticket_events_tickets",
        ondelete="CASCADE",
    ),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("operation", String(64), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("request_hash", String(64), nullable=False),
    Column("token", String(64), nullable=False),
    # Null until the call has succeeded.
    Column("response", Text),
    Column("created_at_s", Float(53), nullable=False),
    # Until this time, no other caller can claim the call.
    Column("held_until_s", Float(53), nullable=False),
    Index(None, "created_at_s"),
)
