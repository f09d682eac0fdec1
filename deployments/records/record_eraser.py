"""Deletes tickets, templates, ideas, and the responses kept for repeated calls."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table, and_, delete, func, select, tuple_

from deployments.core.erasure import ErasureKind, ErasureTarget, RecordIds
from deployments.core.ids import CollectionName, TenantId
from deployments.database.connection import Database
from deployments.records import memory, template_document
from deployments.records.business_tables import ideas, templates
from deployments.records.tables import idempotency_keys as responses
from deployments.records.tables import ticket_events, tickets

_BATCH = 200
"""Records of a kind that are found at a time."""
_PAGE = 100
"""Responses that are read at a time. One can have a megabyte."""

_TABLES: Mapping[str, tuple[Table, str]] = {
    "tickets": (tickets, "ticket_id"),
    "templates": (templates, "template_id"),
    "ideas": (ideas, "idea_id"),
}
"""The table of each kind of records, and the column of their ids."""


@dataclass(frozen=True, slots=True)
class StoredRecordEraser:
    """Implements `RecordEraser`. All methods raise KnowledgeUnavailable."""

    database: Database

    @property
    def documented(self) -> Mapping[str, CollectionName]:
        """The kinds of records that have documents, and these documents' collections."""
        return {"tickets": memory.COLLECTION, "templates": template_document.COLLECTION}

    async def find(self, tenant: TenantId, target: ErasureTarget) -> RecordIds:
        """Returns at most `_BATCH` records of each kind; nothing if there are no more."""
        found: dict[str, Sequence[str]] = {}
        async with self.database.snapshot() as connection:
            for kind, (table, name) in _TABLES.items():
                condition = self._wanted(kind, target)
                if condition is not None:
                    query = select(table.c[name]).where(table.c.tenant == tenant, condition)
                    ids = (await connection.scalars(query.limit(_BATCH))).all()
                    found |= {kind: list(ids)} if ids else {}
        return found

    async def delete(self, tenant: TenantId, found: RecordIds) -> Mapping[str, int]:
        """Deletes records; returns how many of what. A ticket's events go with it."""
        removed: dict[str, int] = {}
        async with self.database.transaction() as connection:
            if "tickets" in found:
                events = _among(ticket_events, "ticket_id", tenant, found["tickets"])
                counted = select(func.count()).select_from(ticket_events).where(events)
                removed["ticket_events"] = int(await connection.scalar(counted) or 0)
            for kind, ids in found.items():
                table, name = _TABLES[kind]
                gone = await connection.execute(delete(table).where(_among(table, name, tenant, ids)))
                removed[kind] = gone.rowcount
        return removed

    async def forget_responses(self, tenant: TenantId, names: Collection[str] | None) -> int:
        """Deletes responses in which one of the names is a value; all of the tenant's if it is None.

        Also deletes the keys of calls that created one of the named records.
        """
        own = responses.c.tenant == tenant
        if names is None:
            async with self.database.transaction() as connection:
                return int((await connection.execute(delete(responses).where(own))).rowcount)
        key = tuple_(responses.c.operation, responses.c.key)
        columns = (responses.c.operation, responses.c.key, responses.c.token, responses.c.response)
        query = select(*columns).where(own).order_by(responses.c.operation, responses.c.key).limit(_PAGE)
        created = {name.partition("-")[2] for name in names}
        removed, last = 0, ("", "")
        while True:
            async with self.database.transaction() as connection:
                page = (await connection.execute(query.where(key > last))).all()
                named = [
                    (row.operation, row.key)
                    for row in page
                    if row.token in created or not _texts(row.response).isdisjoint(names)
                ]
                if named:
                    await connection.execute(delete(responses).where(own, key.in_(named)))
            removed += len(named)
            if len(page) < _PAGE:
                return removed
            last = (page[-1].operation, page[-1].key)

    def _wanted(self, kind: str, target: ErasureTarget) -> ColumnElement[bool] | None:
        """The condition on records of a kind; None if the target has none of that kind."""
        table, name = _TABLES[kind]
        if target.kind is ErasureKind.TENANT:
            return table.c.tenant.is_not(None)
        if target.kind is ErasureKind.CUSTOMER:
            return table.c.user_id == target.subject
        if target.collection != self.documented.get(kind):
            return None
        return table.c[name] == target.subject if target.subject else table.c[name].is_not(None)


def _among(table: Table, name: str, tenant: TenantId, ids: Sequence[str]) -> ColumnElement[bool]:
    return and_(table.c.tenant == tenant, table.c[name].in_(ids))


def _texts(response: str | None) -> set[str]:
    return set() if response is None else set(_values(json.loads(response)))


def _values(node: object) -> Iterator[str]:
    """All texts in a JSON value, apart from the names of fields."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from _values(child)
