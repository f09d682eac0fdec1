"""The Knowledge deployment's service."""

from __future__ import annotations

from typing import Any

from deployments.access.limit_store import limits_of
from deployments.core.services import TokenCache
from deployments.database.connection import Database
from deployments.database.vectors import Embedder
from deployments.knowledge.cutting.chunking import Chunker
from deployments.knowledge.document_processes import DocumentProcesses
from deployments.knowledge.samples import SAMPLES
from deployments.knowledge.service import KnowledgeParts, KnowledgeService
from deployments.knowledge.vector_cache import DEFAULT_CACHE_BYTES
from deployments.retrieval.lease_granting import Leases
from deployments.token_cache.token_counter import BundleTokenCounter
from serve_app.remote import client_of
from serve_app.settings import Settings
from serve_app.setup.bootstrap import memory_bytes

_VECTOR_SHARE = 1 / 8
"""Share of this machine's memory for vectors. A million of them take 1.5 GB; two collections that do not fit
together are read again and again."""


async def knowledge_service(
    settings: Settings,
    embedder: Embedder,
    token_cache: Any,
    database: Database,
    leases: Leases | None = None,
) -> KnowledgeService:
    """Starts the knowledge base on a database, after the TokenCache deployment is ready.

    `leases` are those of this process, if others change what they are about. Raises KnowledgeUnavailable.
    """
    writer = client_of(TokenCache, token_cache, "the token cache")
    bundle = await writer.bundle()
    return await KnowledgeService.start(
        KnowledgeParts(
            database=database,
            embedder=embedder,
            documents=DocumentProcesses(Chunker(BundleTokenCounter(bundle), settings.chunk_tokens)),
            tokenizer=bundle.fingerprint,
            leases=leases or leases_of(settings),
            similarity_threshold=settings.similarity_threshold,
            writer=writer,
            write_through=settings.write_through,
            samples=SAMPLES if settings.samples else None,
            limits_of=limits_of,
            vector_bytes=max(DEFAULT_CACHE_BYTES, int(_VECTOR_SHARE * memory_bytes())),
        )
    )


def leases_of(settings: Settings) -> Leases:
    """The leases that this process grants, of which it has one object."""
    # On PostgreSQL a rolling update overlaps two processes, even with one replica.
    return Leases(alone=not settings.on_postgresql)


def database_url(settings: Settings) -> str:
    """Returns the configured URL, or that of an SQLite file in the state directory."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return f"sqlite:///{settings.state_dir / 'warmline.db'}"
