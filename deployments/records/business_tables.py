"""The tables of business templates and ideas."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, Index, Integer, LargeBinary, String, Table, Text

from deployments.database.metadata import metadata

templates = Table(
    "business_templates",
    metadata,
    Column("tenant", String(64), primary_key=True),
    # Also the id of the template's document.
    Column("template_id", String(200), primary_key=True),
    Column("business_type", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("template_data", JSON, nullable=False),
    Column("success_metrics", JSON, nullable=False),
    # Copied from the metrics, because recall filters and sorts by it.
    Column("success_score", Float(53), nullable=False),
    Column("user_id", String(200)),
    Column("version", Integer, nullable=False),
    # The version of the template's document. Less than `version` until the document is written.
    Column("published_version", Integer, nullable=False),
    Column("created_at_s", Float(53), nullable=False),
    Column("updated_at_s", Float(53), nullable=False),
    # The template's vector (float32, little-endian) and its model; null until it is first compared.
    Column("embedding_fingerprint", String(200)),
    Column("embedding", LargeBinary),
    Index(None, "tenant", "business_type", "success_score"),
)

ideas = Table(
    "business_ideas",
    metadata,
    Column("tenant", String(64), primary_key=True),
    # Ids start with their time, so they sort by creation.
    Column("idea_id", String(100), primary_key=True),
    Column("business_type", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("user_id", String(200)),
    Column("idea", JSON, nullable=False),
    Column("score_explanation", JSON, nullable=False),
    Column("created_at_s", Float(53), nullable=False),
    # The idea's vector, stored as a template's is.
    Column("embedding_fingerprint", String(200)),
    Column("embedding", LargeBinary),
    Index(None, "created_at_s"),
)
