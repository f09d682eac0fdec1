"""The Knowledge deployment's service."""

from __future__ import annotations

from typing import Any

from deployments.core.services import TokenCache
from deployments.database.connection import Database
from deployments.database.vectors import Embedder
from deployments.knowledge.chunking import Chunker
from deployments.knowledge.samples import SAMPLES
from deployments.knowledge.service import KnowledgeParts, KnowledgeService
from deployments.retrieval.lease_granting import Leases
from deployments.token_cache.encoder import BundleEncoder
from serve_app.remote import client_of
from serve_app.settings import Settings


async def knowledge_service(
    settings: Settings, embedder: Embedder, token_cache: Any, database: Database
) -> KnowledgeService:
    """The knowledge base in a database; waits for the TokenCache deployment.

    Raises: KnowledgeUnavailable.
    """
    writer = client_of(TokenCache, token_cache, "the token cache")
    encoder = BundleEncoder(await writer.bundle())
    return await KnowledgeService.start(
        KnowledgeParts(
            database=database,
            embedder=embedder,
            chunker=Chunker(lambda text: len(encoder.encode_text(text)), settings.chunk_tokens),
            tokenizer=encoder.fingerprint,
            # On PostgreSQL a rolling update overlaps two processes, even where one is the most there is.
            leases=Leases(alone=not settings.on_postgresql),
            similarity_threshold=settings.similarity_threshold,
            writer=writer,
            write_through=settings.write_through,
            samples=SAMPLES if settings.samples else None,
        )
    )


def database_url(settings: Settings) -> str:
    """The configured one, else a file in the state directory."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return f"sqlite:///{settings.state_dir / 'warmline.db'}"
