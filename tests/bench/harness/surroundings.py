"""Environment variables, settings and model folder of a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deployments.engine.config import FAST_BF16_FLAGS
from deployments.engine.vllm_engine import cpu_flags
from serve_app.settings import Settings
from tests.bench.harness.report import ROOT

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "PYTHONWARNINGS": "ignore",  # vLLM's processes raise deprecation warnings when they start
    "RAY_USAGE_STATS_ENABLED": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
}

_NUMBERS_A_TOKEN = 2 * 30 * 3 * 64
"""Numbers that SmolLM2-135M caches for a token: keys and values, layers, heads, width of a head."""


def model_dir() -> Path:
    """The folder in which the tests keep the converted model."""
    return Path(os.environ.get("WARMLINE_TEST_MODEL_DIR", ROOT / ".model_cache"))


BENCH_MODEL = "smollm2-135m"
"""Small, so that thousands of prompts take half an hour. `answer_quality` uses the default model."""


def settings_for(state_dir: Path, **fields: Any) -> Settings:
    """Settings that do not depend on the caller's environment."""
    # The long timeout: Redis on a busy machine must not count as down.
    fixed = {"model": BENCH_MODEL, "model_dir": model_dir(), "redis_timeout_ms": 1000}
    return Settings.from_env({}, state_dir=state_dir, **fixed, **fields)


def kv_cache_gib(tokens: int) -> float:
    """Size of a cache for so many tokens of the embedded model, in the data type that `auto` chooses here."""
    bytes_a_number = 2 if cpu_flags() & FAST_BF16_FLAGS else 4
    return tokens * _NUMBERS_A_TOKEN * bytes_a_number / 2**30


@contextmanager
def environment() -> Iterator[None]:
    """Sets variables for Hugging Face, Ray and vLLM, and restores the whole environment at the end."""
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
