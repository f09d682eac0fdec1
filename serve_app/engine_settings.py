"""The settings of the engine's replicas: how many, on what hardware, and what they keep in their KV cache."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from deployments.core.reuse.eviction import EvictionPolicy


class EngineSettings(BaseModel):
    """The settings of the engine's replicas. `Settings` has these fields too, and says how they are set."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    engine_replicas: int = Field(1, ge=1)
    """Minimum engine replicas."""
    engine_max_replicas: int | None = Field(None, ge=1)
    """Maximum engine replicas; unset: as many as `engine_replicas`."""
    engine_gpus: int | None = Field(None, ge=0, le=64)
    """GPUs of each engine replica, which share its model; unset: 1 if Ray has any, else 0."""
    engine_max_ongoing: int | None = Field(None, ge=1, le=4096)
    """Maximum generations of a tenant in an engine replica, 5/4 of it for all; unset: 256, on a CPU 64."""
    engine_eager: bool | None = None
    """On: the engine runs the model without compiling it; unset: on for CPUs, off for GPUs."""
    engine_dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Data type of the model; auto: the model's own on a GPU, bfloat16 or float32 on a CPU."""
    engine_block_size: int | None = Field(None, ge=8)
    """Tokens of a KV block, a multiple of 32 on a CPU; unset: 32 on a CPU, vLLM's default on a GPU."""
    engine_max_model_len: int | None = Field(None, ge=256)
    """Maximum tokens of a prompt and its answer together; unset: the model's own limit."""
    engine_kv_cache_gib: float = Field(1.0, gt=0)
    """GiB of KV cache of an engine replica on a CPU."""
    engine_gpu_memory_utilization: float = Field(0.9, gt=0, le=1)
    """Share (0 to 1) of a GPU's memory that an engine replica uses."""
    engine_num_gpu_blocks: int | None = Field(None, ge=2)
    """Size of the KV cache in blocks, on a CPU too; unset: what the memory given to it holds."""
    eviction: EvictionPolicy = "documents"
    """What leaves an engine's full KV cache first: documents (what is no document) or lru (the oldest)."""
