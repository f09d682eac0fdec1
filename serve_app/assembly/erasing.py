"""Erasures and retention, in each Knowledge replica."""

from __future__ import annotations

import time
from collections.abc import Mapping

from deployments.access.audit import Audit
from deployments.agents.specs import AGENTS
from deployments.conversations.eraser import StoredConversationEraser
from deployments.core.detached_task import detached_task
from deployments.core.erasure import CacheEraser, DocumentEraser
from deployments.database.connection import Database
from deployments.erasure.erasing import Erasing, ErasureParts
from deployments.erasure.erasure_store import ErasureStore
from deployments.erasure.upkeep import BATCH, Prune, Upkeep
from deployments.knowledge.current_segments import DocumentSegments
from deployments.knowledge.document_versions import VersionRetention
from deployments.knowledge.former_rows import FormerRows
from deployments.records.record_eraser import StoredRecordEraser
from deployments.records.record_ids import new_record_id
from deployments.records.retention import RecordRetention
from serve_app.assembly.question_log import question_log
from serve_app.settings import Settings

_DAY_S = 24 * 3600.0


def start_erasing(
    settings: Settings, database: Database, documents: DocumentEraser, caches: CacheEraser
) -> Erasing:
    """The erasures of a database. Starts its upkeep, which runs as long as the process."""
    store = ErasureStore(database, time.time, new_record_id, Audit(time.time, new_record_id).record)
    parts = ErasureParts(
        store,
        StoredRecordEraser(database),
        documents,
        StoredConversationEraser(
            database, DocumentSegments(database), {agent.name: agent.collection for agent in AGENTS}
        ),
        caches,
        question_log(settings).erase,
    )
    erasing = Erasing(parts)
    former = FormerRows(database)

    async def resume() -> None:
        await erasing.resume()
        while await former.complete(BATCH):
            pass

    upkeep = Upkeep(database, resume, _prunings(settings, database, documents, store))
    erasing.keep(detached_task(upkeep.run()))
    return erasing


def _prunings(
    settings: Settings, database: Database, documents: DocumentEraser, store: ErasureStore
) -> Mapping[str, Prune]:
    always = {"versions": VersionRetention(database, time.time).prune, "erasures": store.prune}
    if settings.retention_days is None:
        return always
    records = RecordRetention(database, documents, settings.retention_days * _DAY_S, time.time)
    return {**always, "tickets": records.prune_tickets, "ideas": records.prune_ideas}
