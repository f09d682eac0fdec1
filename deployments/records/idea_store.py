"""Business ideas in the database. They never change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from deployments.core.errors import NotFound
from deployments.core.ids import Fingerprint, TenantId
from deployments.core.records.ideas import BusinessIdea, IdeaDraft, IdeaText, StoredIdea
from deployments.database.connection import Database
from deployments.database.metadata import AnyRow
from deployments.database.vectors import Vector, from_blob, to_blob
from deployments.records.business_tables import ideas
from deployments.records.record_ids import is_id
from deployments.records.template_document import idea_text
from deployments.records.text_vectors import Compared

MAX_COMPARED = 2_000
"""The number of a tenant's ideas that a new one is compared with, the latest ones."""


@dataclass(frozen=True, slots=True)
class ComparedIdea:
    """The parts of an idea that the novelty score needs."""

    compared: Compared
    name: str


class IdeaStore:
    """Reads and writes ideas. All methods raise KnowledgeUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, tenant: TenantId, new: StoredIdea, now_s: float) -> StoredIdea:
        """Stores an idea, or returns the stored one if its id is taken."""
        insert = sqlite.insert if self._database.dialect == "sqlite" else postgresql.insert
        values = _columns(new) | {"tenant": tenant, "created_at_s": now_s}
        async with self._database.transaction() as connection:
            await connection.execute(insert(ideas).values(values).on_conflict_do_nothing())
            return _idea((await connection.execute(_select(tenant, new.idea_id))).one())

    async def get(self, tenant: TenantId, idea_id: str) -> StoredIdea:
        """Returns an idea. Raises NotFound."""
        query = _select(tenant, idea_id)
        async with self._database.snapshot() as connection:
            row = (await connection.execute(query)).one_or_none() if is_id(idea_id) else None
        if row is None:
            raise NotFound(f"there is no idea {idea_id}", "idea_id")
        return _idea(row)

    async def list(self, tenant: TenantId, limit: int, after: str | None) -> tuple[StoredIdea, ...]:
        """Returns at most `limit` ideas, latest first, starting after the id `after`."""
        query = select(ideas).where(ideas.c.tenant == tenant).order_by(ideas.c.idea_id.desc()).limit(limit)
        if after is not None:
            query = query.where(ideas.c.idea_id < after)
        async with self._database.snapshot() as connection:
            return tuple(_idea(row) for row in await connection.execute(query))

    async def count(self, tenant: TenantId) -> int:
        """Returns the number of a tenant's ideas."""
        query = select(func.count()).select_from(ideas).where(ideas.c.tenant == tenant)
        async with self._database.snapshot() as connection:
            return int(await connection.scalar(query) or 0)

    async def compared(self, tenant: TenantId, model: Fingerprint) -> tuple[ComparedIdea, ...]:
        """Returns a tenant's latest ideas with their vectors by `model`, latest first."""
        columns = (ideas.c.idea_id, ideas.c.name, ideas.c.embedding_fingerprint, ideas.c.embedding)
        query = select(*columns).where(ideas.c.tenant == tenant).order_by(ideas.c.idea_id.desc())
        async with self._database.snapshot() as connection:
            rows = (await connection.execute(query.limit(MAX_COMPARED))).all()
        return tuple(_compared(row, model) for row in rows)

    async def texts(self, tenant: TenantId, ids: Sequence[str]) -> dict[str, tuple[int, str]]:
        """Returns the versions (always 1) and the texts to embed, by id."""
        query = select(ideas).where(ideas.c.tenant == tenant, ideas.c.idea_id.in_(ids))
        async with self._database.snapshot() as connection:
            found = [_idea(row) for row in await connection.execute(query)]
        return {stored.idea_id: (1, idea_text(stored.draft.idea.text)) for stored in found}

    async def keep_vectors(
        self, tenant: TenantId, model: Fingerprint, vectors: Mapping[tuple[str, int], Vector]
    ) -> None:
        """Stores vectors by id and version."""
        async with self._database.transaction() as connection:
            for (idea_id, _), vector in sorted(vectors.items()):
                values = {"embedding": to_blob(vector), "embedding_fingerprint": model}
                await connection.execute(update(ideas).where(_is(tenant, idea_id)).values(values))


def _select(tenant: TenantId, idea_id: str) -> Select[Any]:
    return select(ideas).where(_is(tenant, idea_id))


def _is(tenant: TenantId, idea_id: str) -> ColumnElement[bool]:
    return and_(ideas.c.tenant == tenant, ideas.c.idea_id == idea_id)


def _columns(stored: StoredIdea) -> dict[str, Any]:
    draft = stored.draft
    return {
        "idea_id": stored.idea_id,
        "business_type": draft.idea.business_type,
        "name": draft.idea.text.name,
        "user_id": draft.user_id,
        "idea": asdict(draft.idea),
        "score_explanation": dict(draft.score_explanation),
    }


def _idea(row: AnyRow) -> StoredIdea:
    written = row.idea["text"]
    lists = {name: tuple(written[name]) for name in ("mvp_features", "tech_stack")}
    idea = BusinessIdea(**{**row.idea, "text": IdeaText(**{**written, **lists})})
    return StoredIdea(row.idea_id, IdeaDraft(row.user_id, idea, row.score_explanation))


def _compared(row: AnyRow, model: Fingerprint) -> ComparedIdea:
    vector = from_blob(row.embedding) if row.embedding_fingerprint == model else None
    return ComparedIdea(Compared(row.idea_id, 1, vector), row.name)
