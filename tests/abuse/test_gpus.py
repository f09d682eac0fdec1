"""WARMLINE_ENGINE_GPUS has its effect: Ray reserves so many GPUs, and vLLM splits the model over them."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.core.errors import ConfigurationError
from deployments.engine import vllm_engine
from deployments.engine.config import EngineConfig, engine_arguments
from serve_app import scaling
from serve_app.assembly import engine as assembly
from serve_app.local_models import Models
from serve_app.settings import Settings

pytestmark = pytest.mark.system

MODELS = Models(llm="model", embedding="embedding", title="model")


class Started(Exception):
    """Carries what the engine would start with."""


async def started_with(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> EngineConfig:
    """The configuration with which a replica starts vLLM under these variables."""

    async def start(config: EngineConfig) -> Any:
        raise Started(config)

    monkeypatch.setattr(vllm_engine.VllmEngine, "start", start)
    monkeypatch.setattr(assembly, "replica_name", lambda: "one")
    with pytest.raises(Started) as found:
        await assembly.engine(Settings.from_env(environment), MODELS, None)
    config: EngineConfig = found.value.args[0]
    return config


@pytest.mark.parametrize("gpus", [1, 2, 4])
async def test_every_reserved_gpu_is_used(monkeypatch: pytest.MonkeyPatch, gpus: int) -> None:
    """One actor reserves all of them, so they are on one host, and its child processes inherit them."""
    environment = {"WARMLINE_ENGINE_GPUS": str(gpus)}
    reserved = scaling.engine(Settings.from_env(environment))
    arguments = engine_arguments(await started_with(monkeypatch, environment), "gpu", frozenset())
    assert reserved["ray_actor_options"]["num_gpus"] == gpus
    assert "placement_group_bundles" not in reserved
    assert arguments.get("tensor_parallel_size", 1) == gpus
    assert arguments.get("distributed_executor_backend") == ("mp" if gpus > 1 else None)


async def test_gpus_that_this_vllm_cannot_use_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    config = await started_with(monkeypatch, {"WARMLINE_ENGINE_GPUS": "4"})
    with pytest.raises(ConfigurationError, match="WARMLINE_ENGINE_GPUS"):
        engine_arguments(config, "cpu", frozenset({"avx512_bf16"}))
