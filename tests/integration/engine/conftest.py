"""One real engine for the module."""

from __future__ import annotations

import os
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from deployments.engine.config import EngineConfig
from deployments.engine.vllm_engine import VllmEngine
from deployments.engine.warming import warm_up


@pytest.fixture(scope="module")
def _environment_restored() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def engine_config(embedded_llm: Path) -> EngineConfig:
    """SmolLM2 with room for 2,048 tokens a request and 11,000 in its cache."""
    return EngineConfig(str(embedded_llm), "smollm2", max_model_len=2048, kv_cache_gib=0.25)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(engine_config: EngineConfig, _environment_restored: None) -> AsyncIterator[VllmEngine]:
    """The module's engine, as `engine_config` says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # importing torch and vLLM raises deprecation warnings
        started = await VllmEngine.start(engine_config)
        await warm_up(started)
    yield started
    await started.shutdown()
