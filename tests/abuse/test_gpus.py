"""WARMLINE_ENGINE_GPUS has its effect: Ray reserves so many GPUs, and vLLM splits the model over them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deployments.core.errors import ConfigurationError
from deployments.engine import vllm_engine
from deployments.engine.config import EngineConfig, engine_arguments
from serve_app import scaling
from serve_app.assembly import engine as assembly
from serve_app.local_models import Models
from serve_app.settings import Settings
from tests.bench.harness.surroundings import model_dir

pytestmark = pytest.mark.system

MODELS = Models(llm="model", embedding="embedding", title="model")


class Started(Exception):
    """Carries what the engine would start with."""


async def started_with(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> EngineConfig:
    """The configuration with which a replica starts vLLM under these variables."""

    async def start(config: EngineConfig) -> Any:
        raise Started(config)

    monkeypatch.setattr(vllm_engine.VllmEngine, "start", start)
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


SPLIT = """
import asyncio, sys
from pathlib import Path
from tests.bench.studies.tiny_engine import make_model
from deployments.engine.config import _split

async def main(folder, tokenizer):
    from vllm import SamplingParams
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.inputs import tokens_input
    from vllm.v1.engine.async_llm import AsyncLLM

    model = make_model(Path(folder), Path(tokenizer))
    engine = AsyncLLM.from_engine_args(AsyncEngineArgs(
        model=str(model), dtype="float32", enforce_eager=True, max_model_len=512, block_size=32,
        kv_cache_memory_bytes=2**26, **_split(2)))
    try:
        sampling = SamplingParams(max_tokens=8, temperature=0, ignore_eos=True)
        async for found in engine.generate(tokens_input(list(range(1000, 1100))), sampling, "one"):
            pass
        print("ids", len(found.outputs[0].token_ids))
    finally:
        engine.shutdown()

if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.timeout(400)
def test_vllm_answers_with_a_model_that_is_split_over_two_workers(tmp_path: Path) -> None:
    """On this machine's CPU build, with the arguments of two GPUs and a tiny model."""
    script = tmp_path / "split.py"
    script.write_text(SPLIT)
    tokenizer = next(model_dir().glob("SmolLM2-135M*"))
    quiet = {"VLLM_LOGGING_LEVEL": "ERROR", "HF_HUB_OFFLINE": "1", "VLLM_HOST_IP": "127.0.0.1"}
    gloo = {"GLOO_SOCKET_IFNAME": "lo", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "model"), str(tokenizer)],
        env=os.environ | quiet | gloo | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    assert "ids 8" in done.stdout, done.stderr[-3000:]
