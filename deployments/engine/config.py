"""What an engine is configured by, and how that maps to vLLM's arguments and environment. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from deployments.core.errors import ConfigurationError
from deployments.engine.owner import OWNER_PID, SOCKET_DIR

Platform = Literal["cpu", "gpu"]
Dtype = Literal["auto", "bfloat16", "float16", "float32"]

CPU_BLOCK_SIZE = 32
"""Tokens. The CPU's attention needs a multiple of 32; a smaller block leaves less to recompute on a hit."""
CPU_PREFILL_CHUNK = 512
"""Tokens a step. As fast as vLLM's 2,048, but others' tokens and aborts wait a quarter of the time."""
CPU_MAX_NUM_SEQS = 16
"""Answers at a time: 2 cores make 48 tokens/s for one and 226 for sixteen."""
FEW_CORES = 4
"""With no more the engine uses all. Of 2, prefill is 1.6-1.8 times as fast, decoding no slower."""
FAST_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
"""Without them bfloat16 is emulated: 2 times slower than float32 with AVX-512, 4 times with AVX2."""


class EventAddresses(NamedTuple):
    """Where an engine publishes its KV events, and where it repeats them."""

    published: str
    repeated: str


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """An engine. `model` is a folder or a Hugging Face name; None means what fits the platform.

    `block_size` and `max_model_len` are in tokens, `kv_cache_gib` is for CPUs,
    `gpu_memory_utilization` a share (0..1) of a GPU, `num_gpu_blocks` a smaller KV cache on either.
    """

    model: str
    served_name: str
    dtype: Dtype = "auto"
    eager: bool | None = None
    block_size: int | None = None
    max_model_len: int | None = None
    kv_cache_gib: float = 1.0
    gpu_memory_utilization: float = 0.9
    num_gpu_blocks: int | None = None
    max_num_seqs: int | None = None
    seed: int = 0


def engine_arguments(config: EngineConfig, platform: Platform, cpu_flags: frozenset[str]) -> dict[str, Any]:
    """Keyword arguments of vLLM's AsyncEngineArgs. `cpu_flags` as in /proc/cpuinfo.

    Raises: ConfigurationError when the platform can't do what is asked.
    """
    chosen: dict[str, Any] = {
        "model": config.model,
        "served_model_name": config.served_name,
        "seed": config.seed,
        "max_model_len": config.max_model_len,
        "num_gpu_blocks_override": config.num_gpu_blocks,
        "enable_prefix_caching": True,
        # The default hashes a pickle, which other versions of Python may write differently.
        "prefix_caching_hash_algo": "sha256_cbor",
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        # A small model that may put blanks between two values of an answer in JSON puts them for ever. Named,
        # since with "auto" a schema that one backend lacks would go to another, which allows blanks.
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
        "worker_extension_cls": "deployments.engine.worker.WorkerExtension",
    }
    chosen |= _cpu(config, cpu_flags) if platform == "cpu" else _gpu(config)
    return {name: value for name, value in chosen.items() if value is not None}


def _cpu(config: EngineConfig, cpu_flags: frozenset[str]) -> dict[str, Any]:
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
    }


def environment(socket_dir: Path, owner_pid: int, *, local_model: bool) -> dict[str, str]:
    """Variables that vLLM's processes must have: sockets on loopback or in `socket_dir`, nothing sent out,
    and events that name blocks as `core.reuse.block_hash` does."""
    return {
        "VLLM_HOST_IP": "127.0.0.1",
        "VLLM_LOOPBACK_IP": "127.0.0.1",
        "GLOO_SOCKET_IFNAME": "lo",
        "VLLM_RPC_BASE_PATH": str(socket_dir),
        "VLLM_KV_EVENTS_USE_INT_BLOCK_HASHES": "1",
        "VLLM_NO_USAGE_STATS": "1",
        OWNER_PID: str(owner_pid),
        SOCKET_DIR: str(socket_dir),
        **({"HF_HUB_OFFLINE": "1"} if local_model else {}),
    }


def event_addresses(socket_dir: Path) -> EventAddresses:
    """Where an engine's KV events are published: they hold its tenants' token ids and salts.

    A socket's path may have 107 bytes; these are shorter than those of vLLM's own in the same folder.
    """
    return EventAddresses(f"ipc://{socket_dir}/kv", f"ipc://{socket_dir}/kv-again")


def environment_defaults(cores: int) -> dict[str, str]:
    """Variables that the user's own win over. `cores` are those this process may run on."""
    defaults = {"VLLM_LOGGING_LEVEL": "WARNING"}
    if cores <= FEW_CORES:
        # vLLM leaves one to its scheduler, which hardly uses it: of two cores that is half of the engine.
        defaults["VLLM_CPU_NUM_OF_RESERVED_CPU"] = "0"
    return defaults
