"""The Knowledge deployment: knowledge base and records in one process, which share one connection."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from deployments.access.key_store import KeyStore
from deployments.access.limit_store import LimitStore
from deployments.access.usage_store import UsageStore
from deployments.conversations.store import ConversationStore
from deployments.core.access import KeyDesk
from deployments.core.conversations import ConversationDesk
from deployments.core.erasure import ErasureDesk
from deployments.core.ports import DocumentLibrary
from deployments.core.quotas import QuotaDesk, StoredAmounts
from deployments.core.records.ports import BusinessMemory, IdempotencyKeys, TicketDesk
from deployments.core.replica import Served, serving
from deployments.core.services import KnowledgeBase, TokenCache
from deployments.core.usage import UsageDesk
from deployments.database.connection import Database
from deployments.database.milestones import Milestones
from deployments.knowledge.current_segments import DocumentSegments
from deployments.knowledge.document_eraser import StoredDocumentEraser
from deployments.knowledge.document_quota import DocumentAmounts
from deployments.knowledge.embedding import SentenceEmbedder
from deployments.knowledge.samples import SAMPLES
from deployments.records.business_memory import BusinessParts, StoredBusiness
from deployments.records.idea_evidence import IdeaEvidence
from deployments.records.idea_store import IdeaStore
from deployments.records.idempotency import IdempotencyStore
from deployments.records.memory import SupportMemory
from deployments.records.record_ids import new_record_id
from deployments.records.template_store import TemplateStore
from deployments.records.text_vectors import TextVectors
from deployments.records.ticket_desk import StoredTickets
from deployments.records.ticket_store import TicketStore
from serve_app.assembly.erasing import start_erasing
from serve_app.assembly.knowledge import database_url, knowledge_service, leases_of
from serve_app.local_models import usable_cores
from serve_app.metrics.ray_metrics import RayMeter
from serve_app.remote import client_of
from serve_app.settings import Settings


async def knowledge_and_records(
    settings: Settings, embedding_model: str, token_cache: Any
) -> Sequence[Served]:
    """Opens the configured database and starts the knowledge base and the records on it.

    Raises ConfigurationError, KnowledgeUnavailable.
    """
    database = await Database.open(database_url(settings), meter=RayMeter())
    embedder = await SentenceEmbedder.open(embedding_model, usable_cores())
    leases = leases_of(settings)
    knowledge = await knowledge_service(settings, embedder, token_cache, database, leases)
    caches = client_of(TokenCache, token_cache, "the token cache")
    business = _business(database, embedder, knowledge)
    with knowledge.starting():
        await business.prepare(SAMPLES / "business_templates.json" if settings.samples else None)
    tickets = TicketStore(database)
    memory = SupportMemory(tickets, knowledge, knowledge)
    segments = DocumentSegments(database)
    conversations = ConversationStore(database, segments, time.time, new_record_id)
    return [
        serving(KnowledgeBase)(knowledge),
        serving(TicketDesk)(StoredTickets(tickets, memory, time.time, new_record_id)),
        serving(ConversationDesk)(conversations),
        serving(IdempotencyKeys)(IdempotencyStore(database, time.time, new_record_id)),
        serving(BusinessMemory)(business),
        serving(KeyDesk)(KeyStore(database, time.time, new_record_id)),
        serving(QuotaDesk)(LimitStore(database, time.time, new_record_id)),
        serving(StoredAmounts)(DocumentAmounts(database)),
        serving(UsageDesk)(UsageStore(database)),
        serving(ErasureDesk)(
            start_erasing(settings, database, StoredDocumentEraser(database, leases, caches), caches)
        ),
    ]


def _business(database: Database, embedder: SentenceEmbedder, library: DocumentLibrary) -> StoredBusiness:
    templates, ideas = TemplateStore(database), IdeaStore(database)
    return StoredBusiness(
        BusinessParts(
            templates=templates,
            ideas=ideas,
            evidence=IdeaEvidence(templates, ideas, TextVectors(embedder)),
            library=library,
            milestones=Milestones(database),
            clock=time.time,
            new_record_id=new_record_id,
        )
    )
