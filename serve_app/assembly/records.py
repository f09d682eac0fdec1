"""The Knowledge deployment: knowledge and records in one process, since they share one connection."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from deployments.database.connection import Database
from deployments.knowledge.deployment import Knowledge
from deployments.knowledge.service import KnowledgeService
from deployments.records.deployment import Records, RecordStores
from deployments.records.idempotency import IdempotencyStore
from deployments.records.memory import SupportMemory
from deployments.records.ticket_desk import StoredTickets
from deployments.records.ticket_store import TicketStore
from deployments.records.tokens import new_token
from serve_app.assembly.knowledge import database_url, knowledge_service
from serve_app.settings import Settings


class KnowledgeAndRecords(Knowledge, Records):
    """`build` makes both inside the replica."""

    async def __init__(  # type: ignore[misc]  # Serve awaits constructors
        self, build: Callable[[], Awaitable[tuple[KnowledgeService, RecordStores]]]
    ) -> None:
        self._service, self._records = await build()


async def knowledge_and_records(
    settings: Settings, embedding_model: str, token_cache: Any
) -> tuple[KnowledgeService, RecordStores]:
    """The knowledge base and the records of the settings' database.

    Raises: ConfigurationError, KnowledgeUnavailable.
    """
    database = await Database.open(database_url(settings))
    knowledge = await knowledge_service(settings, embedding_model, token_cache, database)
    tickets = TicketStore(database)
    memory = SupportMemory(tickets, knowledge, knowledge)
    return knowledge, RecordStores(
        tickets=StoredTickets(tickets, memory, time.time, new_token),
        idempotency=IdempotencyStore(database, time.time, new_token),
    )
