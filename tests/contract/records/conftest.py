"""Records and a knowledge base in one database, on SQLite, then on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from deployments.core.ids import Fingerprint
from deployments.database.connection import Database
from deployments.knowledge.service import KnowledgeParts, KnowledgeService
from deployments.records.idempotency import IdempotencyStore
from deployments.records.memory import SupportMemory
from deployments.records.record_ids import new_record_id
from deployments.records.ticket_desk import StoredTickets
from deployments.records.ticket_store import TicketStore
from tests.fakes import FakeClock, FakeEmbedder
from tests.in_process_documents import InProcessDocuments


@dataclass
class Records:
    """The stores of one database, and the clock they share."""

    tickets: StoredTickets
    idempotency: IdempotencyStore
    knowledge: KnowledgeService
    database: Database
    clock: FakeClock

    async def close(self) -> None:
        """Closes it, as a process that stops does."""
        await self.knowledge.close()
        await self.database.close()


Open = Callable[[], Awaitable[Records]]


@pytest.fixture
async def reopen(database_url: str) -> AsyncIterator[Open]:
    """Opens the records of one database; on SQLite, only one at a time can be open."""
    async with AsyncExitStack() as stack:

        async def open_one() -> Records:
            database = await Database.open(database_url, lock_wait_s=0)
            documents = InProcessDocuments(64)
            parts = KnowledgeParts(
                database, FakeEmbedder(), documents, Fingerprint("words"), similarity_threshold=0.3
            )
            knowledge = await KnowledgeService.start(parts)
            clock, store = FakeClock(), TicketStore(database)
            memory = SupportMemory(store, knowledge, knowledge)
            records = Records(
                StoredTickets(store, memory, clock, new_record_id),
                IdempotencyStore(database, clock, new_record_id),
                knowledge,
                database,
                clock,
            )
            stack.push_async_callback(records.close)
            return records

        yield open_one


@pytest.fixture
async def records(reopen: Open) -> Records:
    """The records of an empty database."""
    return await reopen()
