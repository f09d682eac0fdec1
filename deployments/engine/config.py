"""An engine's configuration, and how it maps to vLLM's arguments and environment variables. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from deployments.core.errors import ConfigurationError
from deployments.core.messages import GenerateRequest
from deployments.core.reuse.eviction import EvictionPolicy
from deployments.core.reuse.paths import unpack_steps
from deployments.core.token_ids import count_in
from deployments.engine.owner import OWNER_PID, SOCKET_DIR

Platform = Literal["cpu", "gpu"]
Dtype = Literal["auto", "bfloat16", "float16", "float32"]

CPU_BLOCK_SIZE = 32
"""Tokens. vLLM's CPU attention needs a multiple of 32. Small blocks leave less to recompute on a hit."""
CPU_PREFILL_CHUNK = 512
"""Tokens per step. As fast as vLLM's 2,048, but decoding and aborts wait a quarter of the time."""
CPU_MAX_NUM_SEQS = 20
"""Concurrent requests, of which one tenant has at most 16: `fair_queue` keeps a fifth for others. 2 cores
decode 48 tokens/s for one request and 226 for sixteen."""
FEW_CORES = 4
"""Up to this many cores the engine uses all. On 2 cores this makes prefill 1.6-1.8 times as fast, and
decoding no slower."""
REUSABLE_TOKENS = "warmline_reusable_tokens"
"""Key of a request's `SamplingParams.extra_args`. The value is `reusable_tokens` of the request."""
FAST_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
"""A CPU without these emulates bfloat16: 2 times slower than float32 with AVX-512, 4 times with AVX2."""


class EventAddresses(NamedTuple):
    """ZeroMQ endpoints of an engine's KV events."""

    published: str
    """Publishes each batch once (PUB)."""
    repeated: str
    """Sends the latest batches again on request (vLLM's replay endpoint)."""


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What to run. None means a default that fits the platform, or vLLM's own."""

    model: str
    """A folder or a Hugging Face name."""
    served_name: str
    """The model's name in answers."""
    dtype: Dtype = "auto"
    """Type of weights and activations. "auto" on a CPU: bfloat16 if the CPU has it, else float32."""
    eager: bool | None = None
    """True compiles nothing. None is True on a CPU."""
    block_size: int | None = None
    """Tokens per block of the KV cache; on a CPU a multiple of 32."""
    max_model_len: int | None = None
    """Tokens of prompt and answer; None is the model's own limit."""
    kv_cache_gib: float = 1.0
    """Size of the KV cache on a CPU, in GiB."""
    gpus: int = 0
    """GPUs of this process, all of this host, over which the model is split; 0 and 1 split nothing."""
    gpu_memory_utilization: float = 0.9
    """Share (0..1) of a GPU's memory that the engine uses."""
    num_gpu_blocks: int | None = None
    """Number of blocks in the KV cache, on a CPU or a GPU; None is as many as fit."""
    kv_offload_gib: float = 0.0
    """Host memory for KV blocks that a GPU has evicted, in GiB, of all its GPUs together; 0 keeps none."""
    max_num_seqs: int | None = None
    """How many requests run concurrently."""
    eviction: EvictionPolicy = "documents"
    """Which blocks leave the KV cache first: those of no documents, or the least recently used ones."""
    seed: int = 0
    """Seed of the engine's own random generators."""
    ray_metrics: bool = False
    """Whether vLLM records its own metrics (`vllm:*`) through Ray. The process must be a worker of Ray."""


def engine_arguments(config: EngineConfig, platform: Platform, cpu_flags: frozenset[str]) -> dict[str, Any]:
    """Keyword arguments for vLLM's AsyncEngineArgs. `cpu_flags` are named as in /proc/cpuinfo.

    Raises ConfigurationError if the platform does not support the configuration.
    """
    chosen: dict[str, Any] = {
        "model": config.model,
        "served_model_name": config.served_name,
        "seed": config.seed,
        "max_model_len": config.max_model_len,
        "num_gpu_blocks_override": config.num_gpu_blocks,
        "enable_prefix_caching": True,
        # The default hashes a pickle, which may differ between versions of Python.
        "prefix_caching_hash_algo": "sha256_cbor",
        "disable_log_stats": True,
        # By `GenerateRequest.priority`, so that tenants take turns also at what waits inside vLLM.
        "scheduling_policy": "priority",
        "use_tqdm_on_load": False,
        # A small model that may write whitespace between two JSON values never stops writing it. guidance
        # enforces more of JSON Schema than xgrammar, and compiles a string's `maxLength` in no time, where
        # xgrammar takes 29 ms for each character.
        "structured_outputs_config": {"backend": "guidance", "disable_any_whitespace": True},
        "worker_extension_cls": "deployments.engine.worker.WorkerExtension",
    }
    chosen |= _cpu(config, cpu_flags) if platform == "cpu" else _gpu(config)
    return {name: value for name, value in chosen.items() if value is not None}


def _cpu(config: EngineConfig, cpu_flags: frozenset[str]) -> dict[str, Any]:
    if config.gpus > 1:
        raise ConfigurationError(
            f"this vLLM is built for CPUs and can't use {config.gpus} GPUs: install the GPU build, or set "
            "WARMLINE_ENGINE_GPUS=0",
            "gpus",
        )
    if config.kv_offload_gib:
        raise ConfigurationError(
            "this vLLM is built for CPUs, where the KV cache is in host memory already: set "
            "WARMLINE_KV_OFFLOAD_GIB=0 and raise WARMLINE_ENGINE_KV_CACHE_GIB, or install the GPU build",
            "kv_offload_gib",
        )
    block_size = config.block_size or CPU_BLOCK_SIZE
    if block_size % CPU_BLOCK_SIZE:
        raise ConfigurationError("on a CPU the engine's block size must be a multiple of 32", "block_size")
    dtype = config.dtype
    if dtype == "auto":
        dtype = "bfloat16" if cpu_flags & FAST_BF16_FLAGS else "float32"
    return {
        "dtype": dtype,
        "enforce_eager": True if config.eager is None else config.eager,
        "block_size": block_size,
        "kv_cache_memory_bytes": int(config.kv_cache_gib * 2**30),
        "max_num_seqs": config.max_num_seqs or CPU_MAX_NUM_SEQS,
        "max_num_batched_tokens": max(CPU_PREFILL_CHUNK, config.max_num_seqs or 0),
    }


def _gpu(config: EngineConfig) -> dict[str, Any]:
    return {
        "dtype": config.dtype,
        "enforce_eager": config.eager,
        "block_size": config.block_size,
        "gpu_memory_utilization": config.gpu_memory_utilization,
        "max_num_seqs": config.max_num_seqs,
        "kv_offloading_size": config.kv_offload_gib or None,
        **(_split(config.gpus) if config.gpus > 1 else {}),
    }


def _split(gpus: int) -> dict[str, Any]:
    """The workers are child processes: Ray gives a replica its GPUs on one host, and they inherit
    CUDA_VISIBLE_DEVICES from it.

    With vLLM's "ray" backend, actors of a placement group would take GPUs of their own, besides the
    replica's, and would not end with a replica that is killed.
    """
    return {"tensor_parallel_size": gpus, "distributed_executor_backend": "mp"}


def reusable_tokens(request: GenerateRequest) -> int:
    """How many tokens of a request, from the first on, other prompts may begin with.

    Without a layout it is unknown what the prompt consists of, and all of it counts.
    """
    if request.layout and not request.continued:
        return sum(step.tokens for step in unpack_steps(request.layout))
    return count_in(request.prompt) + (request.sampling.max_tokens if request.continued else 0)


def environment(socket_dir: Path, owner_pid: int, *, local_model: bool) -> dict[str, str]:
    """Environment variables that vLLM's processes must have.

    They keep sockets on loopback or in `socket_dir`, turn off usage statistics, and make events name
    blocks as `core.reuse.block_hash` does. `local_model` keeps vLLM off the Hugging Face Hub.
    """
    return {
        "VLLM_HOST_IP": "127.0.0.1",
        "VLLM_LOOPBACK_IP": "127.0.0.1",
        "GLOO_SOCKET_IFNAME": "lo",
        "NCCL_SOCKET_IFNAME": "lo",
        "VLLM_RPC_BASE_PATH": str(socket_dir),
        "VLLM_KV_EVENTS_USE_INT_BLOCK_HASHES": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # EngineCore has threads, so it can't fork its workers
        OWNER_PID: str(owner_pid),
        SOCKET_DIR: str(socket_dir),
        **({"HF_HUB_OFFLINE": "1"} if local_model else {}),
    }


def event_addresses(socket_dir: Path) -> EventAddresses:
    """Endpoints of an engine's KV events.

    Their sockets are in a private folder, because events contain tenants' token ids and salts. A
    socket's path is limited to 107 bytes; these are shorter than those that vLLM makes in the same
    folder.
    """
    return EventAddresses(f"ipc://{socket_dir}/kv", f"ipc://{socket_dir}/kv-again")


def environment_defaults(cores: int) -> dict[str, str]:
    """Environment variables for vLLM that the user may override. `cores` is how many it may use."""
    # vLLM's configuration of logging closes the handlers of all other loggers, of Serve's too.
    defaults = {"VLLM_LOGGING_LEVEL": "WARNING", "VLLM_CONFIGURE_LOGGING": "0"}
    if cores <= FEW_CORES:
        # vLLM reserves a core for its scheduler, which hardly uses it: of two cores, half of the engine.
        defaults["VLLM_CPU_NUM_OF_RESERVED_CPU"] = "0"
    return defaults
