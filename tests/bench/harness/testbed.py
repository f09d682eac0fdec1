"""The application's components in one process with one real engine, which all arms are measured on.

`serve_app.assembly` builds the components, as it does for the deployments. Direct calls replace the handles
between them, so no hop is measured here; hops have a part of their own.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest.mock import patch

from deployments.agents.cached_agent import CachedAgent
from deployments.agents.specs import AGENTS
from deployments.core.documents import Passage
from deployments.core.ids import DEFAULT_TENANT, Scope
from deployments.core.messages import TokenizerBundle
from deployments.core.segments import PlainText, ScaffoldText
from deployments.core.services import KnowledgeBase, TokenCache
from deployments.engine.service import EngineService
from deployments.token_cache.encoder import BundleEncoder
from serve_app.local_models import Models
from serve_app.remote import client_of
from serve_app.settings import Settings
from tests.bench.harness import indexed_samples
from tests.local_handle import LocalHandle, replica_built, replica_of


@dataclass(frozen=True)
class Testbed:
    """Knowledge with the samples in SQLite, a token cache in the embedded Redis, and a tokenizer."""

    settings: Settings
    models: Models
    token_cache: LocalHandle
    knowledge: LocalHandle
    bundle: TokenizerBundle
    encoder: BundleEncoder

    def head_tokens(self, agent: str) -> int:
        """The number of tokens before the documents in each of an agent's prompts."""
        preamble = next(spec.preamble for spec in AGENTS if spec.name == agent)
        head = ScaffoldText(self.bundle.scaffold.head)
        return len(self.encoder.encode_prompt([head, PlainText(preamble.strip())]))

    async def passages(self, scope: Scope) -> list[Passage]:
        """All passages of a collection, document by document."""
        knowledge = client_of(KnowledgeBase, self.knowledge, "the knowledge base")
        documents = await knowledge.list(scope, 500, None)
        found = await knowledge.passages_of(scope, [document.doc_id for document in documents])
        return list(found.passages)

    async def agents(self, engine: Any, secret: bytes, **fields: Any) -> dict[str, CachedAgent]:
        """The agents by name, on `engine`, with `fields` of the settings changed.

        `secret` makes the cache salts: agents with different secrets share no KV blocks.
        """
        from serve_app.agents import build_of
        from serve_app.assembly.agents import AgentPeers

        settings = self.settings.model_copy(update=fields)
        peers = AgentPeers(AGENTS, self.token_cache, self.knowledge, in_process(engine), secret)
        built = {spec.name: await build_of(spec, settings, peers)() for spec in AGENTS}
        return {name: served[0].service for name, served in built.items()}


def in_process(target: Any) -> LocalHandle:
    """A handle that copies nothing, so that only the application's own work is measured."""
    return LocalHandle(target, pickled=False)


def _quiet() -> None:
    """Turns off the log line of each answer, which would be printed between the tables."""
    logging.getLogger("ray.serve").setLevel(logging.WARNING)


@asynccontextmanager
async def open_testbed(settings: Settings, models: Models) -> AsyncIterator[Testbed]:
    """A testbed with the samples, in the settings' state directory. Nothing else may use that directory.

    The first run of a checkout embeds the samples and keeps the index; later runs copy it.
    """
    from serve_app.assembly.records import knowledge_and_records
    from serve_app.assembly.token_cache import token_cache as token_cache_services

    _quiet()
    if not settings.samples:
        raise ValueError("the index that is kept between runs holds the samples")
    copied = indexed_samples.copy_to(settings.state_dir)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # importing torch raises deprecation warnings
        cached = in_process(await replica_built(partial(token_cache_services, settings, models.llm, AGENTS)))
        served = await knowledge_and_records(settings, models.embedding, cached)
    bundle = await client_of(TokenCache, cached, "the token cache").bundle()
    knowledge = in_process(await replica_of(*served))
    bed = Testbed(settings, models, cached, knowledge, bundle, BundleEncoder(bundle))
    try:
        if copied:
            await _write_through(bed)
        else:
            indexed_samples.keep(settings.state_dir)
        yield bed
    finally:
        await served[0].service.close()
        await served[0].service._database.close()


async def _write_through(bed: Testbed) -> None:
    """Stores the ids of all segments in Redis, as storing the documents would have done."""
    for spec in AGENTS:
        scope = Scope(DEFAULT_TENANT, spec.collection)
        segments = [passage.segment for passage in await bed.passages(scope)]
        await bed.token_cache.write_through.remote(scope, segments)


@asynccontextmanager
async def open_engine(
    settings: Settings, models: Models, name: str = "bench"
) -> AsyncIterator[EngineService]:
    """An engine replica's service as the application builds it, on a real vLLM engine."""
    from serve_app.assembly import engine as assembly

    with warnings.catch_warnings(), patch.object(assembly, "replica_name", lambda: name):
        warnings.simplefilter("ignore")
        served = await assembly.engine(settings, models, None)
    engine: EngineService = served[0].service
    try:
        yield engine
    finally:
        engine.shut_down()
