"""The Engine deployment's engine."""

from __future__ import annotations

from deployments.engine.config import EngineConfig
from deployments.engine.vllm_engine import VllmEngine
from serve_app.settings import Settings


async def start_engine(settings: Settings, model: str) -> VllmEngine:
    """vLLM on `model`, a name or a folder. Raises ConfigurationError, EngineUnavailable."""
    return await VllmEngine.start(
        EngineConfig(
            model=model,
            served_name=settings.model or "SmolLM2-135M-Instruct",
            dtype=settings.engine_dtype,
            eager=settings.engine_eager,
            block_size=settings.engine_block_size,
            max_model_len=settings.engine_max_model_len,
            kv_cache_gib=settings.engine_kv_cache_gib,
            gpu_memory_utilization=settings.engine_gpu_memory_utilization,
            num_gpu_blocks=settings.engine_num_gpu_blocks,
        )
    )
