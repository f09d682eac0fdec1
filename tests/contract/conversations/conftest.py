"""The conversations of one database, on SQLite, then on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from deployments.conversations.store import ConversationStore
from deployments.core.ids import Fingerprint
from deployments.database.connection import Database
from deployments.knowledge.current_segments import DocumentSegments
from deployments.knowledge.service import KnowledgeParts, KnowledgeService
from deployments.records.record_ids import new_record_id
from tests.fakes import FakeClock, FakeEmbedder
from tests.in_process_documents import InProcessDocuments


@dataclass
class Kept:
    """The conversations and documents of one database."""

    store: ConversationStore
    knowledge: KnowledgeService
    database: Database
    clock: FakeClock

    async def close(self) -> None:
        """Closes it, as a process that stops does."""
        await self.knowledge.close()
        await self.database.close()


Open = Callable[[], Awaitable[Kept]]


@pytest.fixture
async def reopen(database_url: str) -> AsyncIterator[Open]:
    """Opens the conversations of one database; on SQLite, only one at a time can be open."""
    async with AsyncExitStack() as stack:
        clock = FakeClock()

        async def open_one() -> Kept:
            database = await Database.open(database_url, lock_wait_s=0)
            parts = KnowledgeParts(database, FakeEmbedder(), InProcessDocuments(64), Fingerprint("words"))
            knowledge = await KnowledgeService.start(parts)
            store = ConversationStore(database, DocumentSegments(database), clock, new_record_id)
            kept = Kept(store, knowledge, database, clock)
            stack.push_async_callback(kept.close)
            return kept

        yield open_one


@pytest.fixture
async def kept(reopen: Open) -> Kept:
    """The conversations of an empty database."""
    return await reopen()
