"""The application's own parts in one process, around one real engine: what all arms are measured on.

Parts are put together by `serve_app.assembly`, as the deployments are; only the handles between them are
replaced by direct calls. So what is measured has no hops; these have a benchmark of their own.
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
from deployments.engine.deployment import Engine
from deployments.token_cache.deployment import TokenCache
from deployments.token_cache.encoder import BundleEncoder
from serve_app.local_models import Models
from serve_app.settings import Settings
from tests.bench import indexed_samples
from tests.bench.in_process import InProcess, made


@dataclass(frozen=True)
class Bed:
    """Knowledge with the samples in SQLite, a token cache in the embedded Redis, and a tokenizer."""

    settings: Settings
    models: Models
    token_cache: InProcess
    knowledge: InProcess
    bundle: TokenizerBundle
    encoder: BundleEncoder

    def head_tokens(self, agent: str) -> int:
        """How many tokens open each of an agent's prompts, before the documents."""
        preamble = next(spec.preamble for spec in AGENTS if spec.name == agent)
        head = ScaffoldText(self.bundle.scaffold.head)
        return len(self.encoder.encode_prompt([head, PlainText(preamble.strip())]))

    async def passages(self, scope: Scope) -> list[Passage]:
        """All of a collection, document by document."""
        from serve_app.handles.knowledge import KnowledgeHandle

        knowledge = KnowledgeHandle(self.knowledge)
        documents = await knowledge.list(scope, 500, None)
        found = await knowledge.passages_of(scope, [document.doc_id for document in documents])
        return list(found.passages)

    async def agents(self, engine: Any, secret: bytes, **fields: Any) -> dict[str, CachedAgent]:
        """The agents by name, on `engine`. `secret` makes the salts: other secrets share no KV."""
        from serve_app.assembly.agents import (
            AgentPeers,
            business_service,
            documentation_service,
            support_service,
        )

        settings = self.settings.model_copy(update=fields)
        peers = AgentPeers(self.token_cache, self.knowledge, InProcess(engine), secret)
        return {
            "support": await support_service(settings, peers),
            "business": await business_service(settings, peers),
            "documentation": await documentation_service(settings, peers),
        }


def _quiet() -> None:
    """Answers are logged, as in a replica, but a table is no place for it."""
    logging.getLogger("ray.serve").setLevel(logging.WARNING)


@asynccontextmanager
async def open_bed(settings: Settings, models: Models) -> AsyncIterator[Bed]:
    """With the samples in the settings' state directory, which nobody else uses until it is closed.

    The first run of a checkout embeds them; later ones take that run's index.
    """
    from serve_app.assembly.records import KnowledgeAndRecords, knowledge_and_records
    from serve_app.assembly.token_cache import token_cache_service

    _quiet()
    if not settings.samples:
        raise ValueError("the index that is kept between runs holds the samples")
    brought = indexed_samples.bring(settings.state_dir)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates things as it is imported
        token_cache = await made(TokenCache, partial(token_cache_service, settings, models.llm))
        cached = InProcess(token_cache)
        knowledge = await made(
            KnowledgeAndRecords, partial(knowledge_and_records, settings, models.embedding, cached)
        )
    bundle = await token_cache.bundle()
    bed = Bed(settings, models, cached, InProcess(knowledge), bundle, BundleEncoder(bundle))
    try:
        if brought:
            await _write_through(bed)
        else:
            indexed_samples.keep(settings.state_dir)
        yield bed
    finally:
        await knowledge._service.close()
        await knowledge._service._database.close()


async def _write_through(bed: Bed) -> None:
    """The segments' ids, which storing the documents would have written."""
    for spec in AGENTS:
        scope = Scope(DEFAULT_TENANT, spec.collection)
        segments = [passage.segment for passage in await bed.passages(scope)]
        await bed.token_cache.write_through.remote(scope, segments)


@asynccontextmanager
async def open_engine(settings: Settings, models: Models, name: str = "bench") -> AsyncIterator[Engine]:
    """An Engine replica as the application has it, on a real vLLM."""
    from serve_app.assembly import engine as assembly

    with warnings.catch_warnings(), patch.object(assembly, "replica_name", lambda: name):
        warnings.simplefilter("ignore")
        build = partial(assembly.start_engine, settings, models)
        engine = await made(Engine, build, settings.stream_interval_ms / 1000)
    try:
        yield engine
    finally:
        engine._engine.close()
