"""The table of erasures."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, Index, String, Table, Text

from deployments.database.metadata import metadata

erasures = Table(
    "erasures",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("erasure_id", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("collection", String(64)),
    # Emptied at the end: it names what was erased.
    Column("subject", Text, nullable=False),
    # Ids of deleted records whose documents are still to be deleted, by kind; and "passages": by collection,
    # the digests of erased documents' passages, and until when those that are gone count.
    Column("found", JSON, nullable=False),
    Column("removed", JSON, nullable=False),
    Column("problem", Text),
    Column("requested_at_s", Float(53), nullable=False),
    # NULL while it runs.
    Column("finished_at_s", Float(53)),
    # Until this time, only the process that works on it may.
    Column("held_until_s", Float(53), nullable=False),
    Index(None, "finished_at_s"),
)
