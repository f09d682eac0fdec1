"""Carries erasures out, store by store.

Records go first, then their documents, then what was derived from both: conversations, responses kept for
repeated calls, cached token ids and search results, and at last the cache salt. With the new salt, no prompt
reaches the KV blocks that the engine still has, and each agent drops what it keeps of the tenant. Every step
can be repeated, so an erasure that was interrupted starts again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from deployments.core.access import Actor
from deployments.core.detached_task import detached_task
from deployments.core.erasure import (
    ALL_GONE,
    CacheEraser,
    ConversationEraser,
    DocumentEraser,
    ErasedPassages,
    Erasure,
    ErasureKind,
    ErasureTarget,
    RecordEraser,
)
from deployments.core.errors import WarmlineError
from deployments.core.ids import CollectionName, DocId, Scope, TenantId
from deployments.erasure.erasure_store import ErasureStore, Job

log = logging.getLogger(__name__)

WAIT_S = 30.0
"""How long a caller waits for the end of its erasure."""


@dataclass(frozen=True, slots=True)
class ErasureParts:
    """The stores that an erasure deletes from."""

    erasures: ErasureStore
    records: RecordEraser
    documents: DocumentEraser
    conversations: ConversationEraser
    caches: CacheEraser
    erase_questions: Callable[[TenantId], int]
    """Deletes a tenant's questions from this machine's log; returns how many. Raises OSError."""


class Erasing:
    """Implements `ErasureDesk`. `wait_s` is how long `erase` waits for the end."""

    def __init__(self, parts: ErasureParts, wait_s: float = WAIT_S) -> None:
        self._parts = parts
        self._wait_s = wait_s
        self._running: set[asyncio.Task[None]] = set()

    async def erase(self, actor: Actor, tenant: TenantId, target: ErasureTarget) -> Erasure:
        """Starts an erasure and waits some time for its end. It goes on if its caller leaves."""
        job = await self._parts.erasures.add(actor, tenant, target)
        await asyncio.wait([self.keep(detached_task(self._attempt(job)))], timeout=self._wait_s)
        return await self._parts.erasures.get(tenant, job.erasure_id)

    async def erasure(self, tenant: TenantId, erasure_id: str) -> Erasure:
        """An erasure as it is now. Raises NotFound."""
        return await self._parts.erasures.get(tenant, erasure_id)

    async def resume(self) -> None:
        """Goes on with erasures that failed, or whose process died. Raises KnowledgeUnavailable."""
        for job in await self._parts.erasures.claim_unfinished():
            await self._attempt(job)

    def keep(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        """Holds a task until it is done, which the event loop does not."""
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _attempt(self, job: Job) -> None:
        """Logs failures; a later attempt starts again."""
        try:
            await self._run(job)
        except Exception as error:
            log.exception("%s did not finish and will be tried again", job.erasure_id)
            problem = str(error) if isinstance(error, WarmlineError) else "a fault of ours, which was logged"
            try:
                await self._parts.erasures.fail(job, problem)
            except WarmlineError:
                log.warning("%s: its failure was not stored; it is tried again later", job.erasure_id)

    async def _run(self, job: Job) -> None:
        await self._erase_documents_of_records(job)
        while found := await self._parts.records.find(job.tenant, job.target):
            job.found = found  # stored first: without the records, nothing else tells their documents' ids
            await self._parts.erasures.note(job)
            job.count(await self._parts.records.delete(job.tenant, found))
            await self._erase_documents_of_records(job)
        await self._erase_documents(job)
        await self._erase_conversations(job)
        await self._erase_derived(job)
        await self._parts.erasures.finish(job)
        log.info("%s is complete: %s", job.erasure_id, job.removed)

    async def _erase_documents_of_records(self, job: Job) -> None:
        if not job.found:
            return
        for kind, collection in self._parts.records.documented.items():
            if ids := job.found.get(kind):
                await self._erase_from(job, collection, [DocId(one) for one in ids])
        names = {one for ids in job.found.values() for one in ids}
        job.count({"responses": await self._parts.records.forget_responses(job.tenant, names)})
        job.found = {}
        await self._parts.erasures.note(job)

    async def _erase_documents(self, job: Job) -> None:
        target = job.target
        if target.collection is not None:
            ids = [DocId(target.subject)] if target.kind is ErasureKind.DOCUMENT else None
            await self._erase_from(job, target.collection, ids)
            if target.collection not in job.passages:  # deleted before the erasure: nothing tells what it had
                job.passages[target.collection] = ALL_GONE
        elif target.kind is ErasureKind.TENANT:
            for collection in await self._parts.documents.collections(job.tenant):
                await self._erase_from(job, collection, None)

    async def _erase_from(self, job: Job, collection: CollectionName, ids: list[DocId] | None) -> None:
        scope = Scope(job.tenant, collection)
        passages = ALL_GONE if ids is None else await self._parts.documents.passages(scope, ids)
        if passages is not None:
            job.passages[collection] = job.passages.get(collection, ErasedPassages()) | passages
            await self._parts.erasures.note(job)  # stored first, as the ids of records are
        job.count(await self._parts.documents.erase(scope, ids))

    async def _erase_conversations(self, job: Job) -> None:
        """After the documents: answers may tell what they said."""
        conversations = self._parts.conversations
        job.count({"conversations": await conversations.erase(job.tenant, job.target, job.passages)})
        await self._parts.erasures.note(job)

    async def _erase_derived(self, job: Job) -> None:
        names = {job.target.subject} if job.target.subject else None
        job.count({"responses": await self._parts.records.forget_responses(job.tenant, names)})
        await self._parts.erasures.note(job)
        # All of the tenant's: questions name no customer, and an interrupted attempt left entries of
        # documents that nothing names any more.
        job.count({"logged_questions": await asyncio.to_thread(self._parts.erase_questions, job.tenant)})
        job.count({"cached_segments": await self._parts.caches.clear(job.tenant, None)})
        await self._parts.documents.renew_salt(job.tenant)
