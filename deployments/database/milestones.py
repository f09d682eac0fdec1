"""Records things that happen once in the life of a database, such as loading samples."""

from __future__ import annotations

import time

from sqlalchemy import Column, Float, String, Table, select, text

from deployments.database.connection import Database
from deployments.database.metadata import metadata

milestones = Table(
    "milestones",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("reached_at_s", Float(53), nullable=False),
)


class Milestones:
    """The milestones of one database. All methods raise KnowledgeUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reached(self, milestone: str) -> bool:
        """Whether a milestone was reached."""
        async with self._database.snapshot() as connection:
            query = select(milestones.c.name).where(milestones.c.name == milestone)
            return await connection.scalar(query) is not None

    async def reach(self, milestone: str) -> None:
        """Records that a milestone was reached; a repetition changes nothing."""
        statement = text("INSERT INTO milestones VALUES (:name, :now_s) ON CONFLICT (name) DO NOTHING")
        async with self._database.transaction() as connection:
            await connection.execute(statement, {"name": milestone, "now_s": time.time()})
