"""Knowledge, tokenizer and agents without an engine, with the documents of corpora."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from functools import partial
from itertools import islice
from pathlib import Path

from deployments.agents.specs import AGENTS
from deployments.core.documents import DocumentDraft
from deployments.core.ids import Scope
from deployments.core.services import TokenCache
from deployments.database.connection import Database
from deployments.knowledge.embedding import SentenceEmbedder
from deployments.token_cache.encoder import BundleEncoder
from serve_app.assembly.knowledge import database_url, knowledge_service
from serve_app.assembly.token_cache import token_cache as token_cache_services
from serve_app.local_models import Models
from serve_app.remote import client_of
from tests.bench.harness.kept_vectors import KeptVectors
from tests.bench.harness.surroundings import settings_for
from tests.bench.harness.testbed import Testbed, in_process
from tests.local_handle import replica_built

_AT_ONCE = 4


@asynccontextmanager
async def open_retrieval_bed(models: Models, state_dir: Path, cache: Path) -> AsyncIterator[Testbed]:
    """A testbed without samples, records and retrieval cache. `cache` keeps vectors between runs."""
    settings = settings_for(state_dir, samples=False, retrieval_cache=False)
    cached = in_process(await replica_built(partial(token_cache_services, settings, models.llm, AGENTS)))
    bundle = await client_of(TokenCache, cached, "the token cache").bundle()
    database = await Database.open(database_url(settings))
    embedder = await SentenceEmbedder.open(models.embedding)
    with closing(KeptVectors(embedder, cache)) as vectors:
        knowledge = await knowledge_service(settings, vectors, cached, database)
        try:
            yield Testbed(settings, models, cached, in_process(knowledge), bundle, BundleEncoder(bundle))
        finally:
            await knowledge.close()
            await database.close()
            embedder.close()


async def store(bed: Testbed, scope: Scope, drafts: Iterable[DocumentDraft]) -> int:
    """Stores documents over the public interface. Returns the number of their passages."""
    waiting, passages = iter(drafts), 0
    while batch := list(islice(waiting, _AT_ONCE)):
        done = await asyncio.gather(*(bed.knowledge.put.remote(scope, draft) for draft in batch))
        passages += sum(one.chunks for one in done)
    return passages
