"""The application's own parts in one process, around one real engine: what all arms are measured on.

Parts are put together by `serve_app.assembly`, as the deployments are; only the handles between them are
replaced by direct calls. So what is measured has no hops; these have a benchmark of their own.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from deployments.agents.cached_agent import CachedAgent
from deployments.agents.specs import AGENTS
from deployments.core.messages import TokenizerBundle
from deployments.core.segments import PlainText, ScaffoldText
from deployments.engine.config import FAST_BF16_FLAGS
from deployments.engine.deployment import Engine
from deployments.engine.vllm_engine import cpu_flags
from deployments.token_cache.deployment import TokenCache
from deployments.token_cache.encoder import BundleEncoder
from serve_app.local_models import Models
from serve_app.settings import Settings
from tests.bench.in_process import InProcess, made
from tests.bench.report import ROOT

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "PYTHONWARNINGS": "ignore",  # vLLM's processes deprecate things as they start
    "RAY_USAGE_STATS_ENABLED": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
}


_NUMBERS_A_TOKEN = 2 * 30 * 3 * 64
"""Keys and values of SmolLM2-135M: layers, heads, width."""


def model_dir() -> Path:
    """Where the tests keep the converted model."""
    return Path(os.environ.get("WARMLINE_TEST_MODEL_DIR", ROOT / ".model_cache"))


def settings_for(state_dir: Path, **fields: Any) -> Settings:
    """Settings that owe nothing to the caller's environment. A busy machine must not look like a cache
    that is down."""
    return Settings.from_env({}, state_dir=state_dir, model_dir=model_dir(), redis_timeout_ms=1000, **fields)


def kv_cache_gib(tokens: int) -> float:
    """Room for so many tokens of the embedded model in what `auto` chooses on this machine's CPU."""
    bytes_a_number = 2 if cpu_flags() & FAST_BF16_FLAGS else 4
    return tokens * _NUMBERS_A_TOKEN * bytes_a_number / 2**30


@contextmanager
def environment() -> Iterator[None]:
    """Sets what Hugging Face, Ray and vLLM read; what they change meanwhile is undone."""
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


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
    """Loads the samples into the settings' state directory, which nobody else uses until it is closed."""
    from serve_app.assembly.records import KnowledgeAndRecords, knowledge_and_records
    from serve_app.assembly.token_cache import token_cache_service

    _quiet()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates things as it is imported
        token_cache = await made(TokenCache, partial(token_cache_service, settings, models.llm))
        cached = InProcess(token_cache)
        knowledge = await made(
            KnowledgeAndRecords, partial(knowledge_and_records, settings, models.embedding, cached)
        )
    bundle = await token_cache.bundle()
    try:
        yield Bed(settings, models, cached, InProcess(knowledge), bundle, BundleEncoder(bundle))
    finally:
        await knowledge._service.close()
        await knowledge._service._database.close()


@asynccontextmanager
async def open_engine(settings: Settings, models: Models, name: str = "bench") -> AsyncIterator[Engine]:
    """An Engine replica as the application has it, on a real vLLM."""
    from serve_app.assembly import engine as assembly

    with warnings.catch_warnings(), patch.object(assembly, "replica_name", lambda: name):
        warnings.simplefilter("ignore")
        build = partial(assembly.start_engine, settings, models.llm)
        engine = await made(Engine, build, settings.stream_interval_ms / 1000)
    try:
        yield engine
    finally:
        engine._engine.close()
