"""Erasures in the database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import and_, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.core.access import Actor
from deployments.core.erasure import (
    ErasedPassages,
    Erasure,
    ErasureKind,
    ErasureState,
    ErasureTarget,
    RecordIds,
)
from deployments.core.errors import NotFound
from deployments.core.ids import CollectionName, TenantId
from deployments.database.connection import Database
from deployments.database.metadata import AnyRow
from deployments.erasure.tables import erasures

HELD_S = 300.0
"""How long an erasure belongs to a process after its last sign of life."""
RETRY_AFTER_S = 30.0
"""How long a failed erasure waits for its next attempt, at least."""
KEPT_S = 400 * 24 * 3600.0
"""How long a finished one can be looked up, as the audit."""

_PASSAGES = "passages"
"""Where the column `found` has them, besides the kinds of records."""

RecordAudit = Callable[[AsyncConnection, Actor, TenantId, str, str], Awaitable[None]]
"""Adds an `AuditEntry` with an action and a subject, in the caller's transaction."""


@dataclass(slots=True)
class Job:
    """An erasure that this process works on."""

    tenant: TenantId
    erasure_id: str
    target: ErasureTarget
    found: RecordIds
    """Deleted records whose documents are still to be deleted."""
    removed: dict[str, int] = field(default_factory=dict)
    passages: dict[CollectionName, ErasedPassages] = field(default_factory=dict)
    """Of the documents that it has erased, or is about to."""

    def count(self, removed: Mapping[str, int]) -> None:
        """Adds to what was removed."""
        for name, number in removed.items():
            self.removed[name] = self.removed.get(name, 0) + number


class ErasureStore:
    """Reads and writes erasures. All methods raise KnowledgeUnavailable."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float],
        new_record_id: Callable[[], str],
        record_audit: RecordAudit,
    ) -> None:
        """`clock` gives Unix seconds, `new_record_id` makes ids that sort by time."""
        self._database = database
        self._clock = clock
        self._new_record_id = new_record_id
        self._record_audit = record_audit

    async def add(self, actor: Actor, tenant: TenantId, target: ErasureTarget) -> Job:
        """Stores an erasure, which belongs to this process, and its audit entry."""
        now_s = self._clock()
        job = Job(tenant, f"erasure-{self._new_record_id()}", target, {})
        row: dict[str, Any] = {
            "tenant": tenant,
            "erasure_id": job.erasure_id,
            "kind": target.kind.value,
            "collection": target.collection,
            "subject": target.subject,
            "found": {},
            "removed": {},
            "requested_at_s": now_s,
            "held_until_s": now_s + HELD_S,
        }
        async with self._database.transaction() as connection:
            await connection.execute(insert(erasures).values(row))
            # The audit is kept for long, so it does not say whom or which document.
            await self._record_audit(connection, actor, tenant, f"erase.{target.kind}", job.erasure_id)
        return job

    async def get(self, tenant: TenantId, erasure_id: str) -> Erasure:
        """An erasure as it is now. Raises NotFound."""
        query = select(erasures).where(erasures.c.tenant == tenant, erasures.c.erasure_id == erasure_id)
        async with self._database.snapshot() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotFound(f"there is no erasure {erasure_id}", "erasure_id")
        return _erasure(row)

    async def claim_unfinished(self) -> Sequence[Job]:
        """The unfinished erasures that belong to no process. From now on they belong to this one."""
        now_s = self._clock()
        free = and_(erasures.c.finished_at_s.is_(None), erasures.c.held_until_s < now_s)
        claimed = update(erasures).where(free).values(held_until_s=now_s + HELD_S).returning(erasures)
        async with self._database.transaction() as connection:
            return [_job(row) for row in await connection.execute(claimed)]

    async def note(self, job: Job) -> None:
        """Stores how far an erasure is."""
        passages = {name: [sorted(one.segments), one.gone_until_s] for name, one in job.passages.items()}
        await self._set(job, found={**job.found, _PASSAGES: passages}, held_until_s=self._clock() + HELD_S)

    async def fail(self, job: Job, problem: str) -> None:
        """Stores why an attempt failed, and lets any process make the next one."""
        await self._set(job, problem=problem, held_until_s=self._clock() + RETRY_AFTER_S)

    async def finish(self, job: Job) -> None:
        """Stores that an erasure is complete, and forgets what it erased."""
        await self._set(job, subject="", found={}, problem=None, finished_at_s=self._clock())

    async def prune(self, limit: int) -> int:
        """Deletes at most `limit` erasures that finished `KEPT_S` ago; returns how many."""
        old = select(erasures.c.erasure_id).where(erasures.c.finished_at_s < self._clock() - KEPT_S)
        async with self._database.transaction() as connection:
            ids = (await connection.scalars(old.limit(limit))).all()
            await connection.execute(delete(erasures).where(erasures.c.erasure_id.in_(ids)))
        return len(ids)

    async def _set(self, job: Job, **values: Any) -> None:
        own = and_(erasures.c.tenant == job.tenant, erasures.c.erasure_id == job.erasure_id)
        async with self._database.transaction() as connection:
            await connection.execute(update(erasures).where(own).values(removed=job.removed, **values))


def _job(row: AnyRow) -> Job:
    collection = None if row.collection is None else CollectionName(row.collection)
    target = ErasureTarget(ErasureKind(row.kind), collection, row.subject)
    found = dict(row.found)
    passages = {
        CollectionName(name): ErasedPassages(frozenset(segments), gone_until_s)
        for name, (segments, gone_until_s) in found.pop(_PASSAGES, {}).items()
    }
    return Job(TenantId(row.tenant), row.erasure_id, target, found, dict(row.removed), passages)


def _erasure(row: AnyRow) -> Erasure:
    return Erasure(
        row.erasure_id,
        ErasureKind(row.kind),
        ErasureState.RUNNING if row.finished_at_s is None else ErasureState.DONE,
        row.requested_at_s,
        row.finished_at_s,
        row.removed,
        row.problem,
    )
