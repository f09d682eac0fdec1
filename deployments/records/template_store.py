"""Business templates in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.errors import NotFound
from deployments.core.ids import Fingerprint, TenantId
from deployments.core.records.ideas import TypeSummary
from deployments.core.records.templates import BusinessType, Template, TemplateDraft, TemplateQuery
from deployments.database.connection import Database
from deployments.database.metadata import AnyRow
from deployments.database.vectors import Vector, from_blob, to_blob
from deployments.records.business_tables import templates
from deployments.records.record_ids import is_id
from deployments.records.template_document import template_text
from deployments.records.text_vectors import Compared

MAX_COMPARED = 2_000
"""The number of a tenant's templates that an idea is compared with, those changed last."""


@dataclass(frozen=True, slots=True)
class ComparedTemplate:
    """The parts of a template that scoring an idea needs."""

    compared: Compared
    name: str
    business_type: BusinessType
    success_metrics: Mapping[str, float]
    updated_at_s: float
    """Unix seconds."""


class TemplateStore:
    """Reads and writes templates. All methods raise KnowledgeUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def lock(self, tenant: TenantId, template_id: str) -> AbstractAsyncContextManager[None]:
        """Locks a template and its document for a change, against all processes."""
        return self._database.lock(f"business_templates/{tenant}/{template_id}")

    async def put(self, tenant: TenantId, template_id: str, draft: TemplateDraft, now_s: float) -> Template:
        """Stores a template or its new version, and returns it. An equal draft changes nothing."""
        async with self._database.transaction() as connection:
            await connection.execute(self._insert(tenant, template_id, draft, now_s))
            found = _template((await connection.execute(_select(tenant, template_id, lock=True))).one())
            if found.draft == draft:
                return found
            changed = Template(tenant, template_id, draft, found.version + 1, found.created_at_s, now_s)
            values = _columns(changed) | {"embedding": None, "embedding_fingerprint": None}
            await connection.execute(update(templates).where(_is(tenant, template_id)).values(values))
        return changed

    async def mark_published(self, template: Template) -> Template | None:
        """Records that the document of this version has been written.

        Returns the newer version if the template was changed in the meantime, because its document is
        then still to be written; otherwise None. Raises NotFound if it was deleted in the meantime.
        """
        where = _is(template.tenant, template.template_id)
        noted = update(templates).where(where, templates.c.version == template.version)
        async with self._database.transaction() as connection:
            if (await connection.execute(noted.values(published_version=template.version))).rowcount:
                return None
            return await _get(connection, template.tenant, template.template_id)

    async def unpublished(self) -> tuple[Template, ...]:
        """Returns all tenants' templates whose documents were not written after the last change."""
        query = select(templates).where(templates.c.published_version < templates.c.version)
        return await self._read(query)

    async def get(self, tenant: TenantId, template_id: str) -> Template:
        """Returns a template. Raises NotFound."""
        async with self._database.snapshot() as connection:
            return await _get(connection, tenant, template_id)

    async def delete(self, tenant: TenantId, template_id: str) -> None:
        """Deletes a template, if it exists."""
        async with self._database.transaction() as connection:
            await connection.execute(delete(templates).where(_is(tenant, template_id)))

    async def recall(self, query: TemplateQuery) -> tuple[Template, ...]:
        """Returns the templates that a query asks for, with the best success score first."""
        conditions = [
            templates.c.tenant == query.tenant,
            templates.c.success_score >= query.min_success_score,
        ]
        if query.business_type is not None:
            conditions.append(templates.c.business_type == query.business_type)
        if query.user_id is not None:
            owner = templates.c.user_id
            conditions.append(or_(owner.is_(None), owner == query.user_id))
        best_first = (
            templates.c.success_score.desc(),
            templates.c.updated_at_s.desc(),
            templates.c.template_id,
        )
        wanted = select(templates).where(*conditions).order_by(*best_first).limit(query.top_k)
        return await self._read(wanted)

    async def summaries(self, tenant: TenantId) -> tuple[TypeSummary, ...]:
        """Returns a summary of each business type that has a template, by name."""
        kind = templates.c.business_type
        query = (
            select(kind, func.count(), func.avg(templates.c.success_score))
            .where(templates.c.tenant == tenant)
            .group_by(kind)
            .order_by(kind)
        )
        async with self._database.snapshot() as connection:
            rows = await connection.execute(query)
            return tuple(TypeSummary(BusinessType(row[0]), row[1], float(row[2])) for row in rows)

    async def compared(self, tenant: TenantId, model: Fingerprint) -> tuple[ComparedTemplate, ...]:
        """Returns a tenant's templates with their vectors by `model`, last changed first."""
        columns = (
            templates.c.template_id,
            templates.c.version,
            templates.c.name,
            templates.c.business_type,
            templates.c.success_metrics,
            templates.c.updated_at_s,
            templates.c.embedding_fingerprint,
            templates.c.embedding,
        )
        latest_first = (templates.c.updated_at_s.desc(), templates.c.template_id)
        query = select(*columns).where(templates.c.tenant == tenant).order_by(*latest_first)
        async with self._database.snapshot() as connection:
            rows = (await connection.execute(query.limit(MAX_COMPARED))).all()
        return tuple(_compared(row, model) for row in rows)

    async def texts(self, tenant: TenantId, ids: Sequence[str]) -> dict[str, tuple[int, str]]:
        """Returns the versions and the texts to embed, by id."""
        query = select(templates).where(templates.c.tenant == tenant, templates.c.template_id.in_(ids))
        found = await self._read(query)
        return {template.template_id: (template.version, template_text(template.draft)) for template in found}

    async def keep_vectors(
        self, tenant: TenantId, model: Fingerprint, vectors: Mapping[tuple[str, int], Vector]
    ) -> None:
        """Stores vectors by id and version. Leaves out templates that no longer have that version."""
        async with self._database.transaction() as connection:
            for (template_id, version), vector in sorted(vectors.items()):
                where = and_(_is(tenant, template_id), templates.c.version == version)
                values = {"embedding": to_blob(vector), "embedding_fingerprint": model}
                await connection.execute(update(templates).where(where).values(values))

    def _insert(self, tenant: TenantId, template_id: str, draft: TemplateDraft, now_s: float) -> Any:
        """Makes a statement that inserts a template, and does nothing if it exists."""
        insert = sqlite.insert if self._database.dialect == "sqlite" else postgresql.insert
        new = Template(tenant, template_id, draft, 1, now_s, now_s)
        return insert(templates).values(_columns(new) | {"published_version": 0}).on_conflict_do_nothing()

    async def _read(self, query: Select[Any]) -> tuple[Template, ...]:
        async with self._database.snapshot() as connection:
            return tuple(_template(row) for row in await connection.execute(query))


async def _get(connection: AsyncConnection, tenant: TenantId, template_id: str) -> Template:
    query = _select(tenant, template_id)
    row = (await connection.execute(query)).one_or_none() if is_id(template_id) else None
    if row is None:
        raise NotFound(f"there is no business template {template_id}", "template_id")
    return _template(row)


def _select(tenant: TenantId, template_id: str, lock: bool = False) -> Select[Any]:
    query = select(templates).where(_is(tenant, template_id))
    return query.with_for_update() if lock else query


def _is(tenant: TenantId, template_id: str) -> ColumnElement[bool]:
    return and_(templates.c.tenant == tenant, templates.c.template_id == template_id)


def _columns(template: Template) -> dict[str, Any]:
    draft = template.draft
    return {
        "tenant": template.tenant,
        "template_id": template.template_id,
        "business_type": draft.business_type,
        "name": draft.name,
        "template_data": dict(draft.template_data),
        "success_metrics": dict(draft.success_metrics),
        "success_score": draft.success_score,
        "user_id": draft.user_id,
        "version": template.version,
        "created_at_s": template.created_at_s,
        "updated_at_s": template.updated_at_s,
    }


def _template(row: AnyRow) -> Template:
    draft = TemplateDraft(
        BusinessType(row.business_type), row.template_data, row.success_metrics, row.user_id
    )
    return Template(
        TenantId(row.tenant), row.template_id, draft, row.version, row.created_at_s, row.updated_at_s
    )


def _compared(row: AnyRow, model: Fingerprint) -> ComparedTemplate:
    vector = from_blob(row.embedding) if row.embedding_fingerprint == model else None
    return ComparedTemplate(
        Compared(row.template_id, row.version, vector),
        row.name,
        BusinessType(row.business_type),
        row.success_metrics,
        row.updated_at_s,
    )
