"""How an engine's configuration maps to vLLM's arguments and environment."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import ConfigurationError
from deployments.core.ids import RequestId
from deployments.core.messages import GenerateRequest
from deployments.core.reuse.paths import SegmentId, Step, pack_steps
from deployments.core.sampling import Sampling
from deployments.core.token_ids import to_bytes, token_ids
from deployments.engine.config import (
    EngineConfig,
    Platform,
    engine_arguments,
    environment,
    environment_defaults,
    reusable_tokens,
)

CONFIG = EngineConfig(model="/models/smollm2", served_name="smollm2")
BF16 = frozenset({"avx512f", "avx512_bf16"})
PLATFORMS: tuple[Platform, ...] = ("cpu", "gpu")

configs = st.builds(
    EngineConfig,
    model=st.just("m"),
    served_name=st.just("m"),
    dtype=st.sampled_from(("auto", "bfloat16", "float16", "float32")),
    eager=st.none() | st.booleans(),
    block_size=st.none() | st.sampled_from((32, 64, 128)),
    max_model_len=st.none() | st.integers(256, 8192),
    kv_cache_gib=st.floats(0.1, 64),
    num_gpu_blocks=st.none() | st.integers(2, 4096),
    max_num_seqs=st.none() | st.integers(1, 2048),
)


@given(configs, st.sampled_from(PLATFORMS), st.frozensets(st.sampled_from(sorted(BF16))))
def test_every_engine_caches_prefixes_by_portable_hashes(
    config: EngineConfig, platform: Platform, flags: frozenset[str]
) -> None:
    arguments = engine_arguments(config, platform, flags)
    assert arguments["enable_prefix_caching"] is True
    assert arguments["prefix_caching_hash_algo"] == "sha256_cbor"
    assert None not in arguments.values()


@given(configs)
def test_a_step_takes_at_least_a_token_of_each_sequence(config: EngineConfig) -> None:
    arguments = engine_arguments(config, "cpu", BF16)
    assert arguments["max_num_batched_tokens"] >= arguments["max_num_seqs"]


@pytest.mark.parametrize(
    ("flags", "dtype"),
    [
        ({"avx512_bf16"}, "bfloat16"),
        ({"amx_bf16"}, "bfloat16"),
        ({"avx512f", "avx512_vnni"}, "float32"),
        ({"avx2"}, "float32"),
        (set(), "float32"),
    ],
)
def test_a_cpu_computes_in_what_it_is_fast_at(flags: set[str], dtype: str) -> None:
    assert engine_arguments(CONFIG, "cpu", frozenset(flags))["dtype"] == dtype


def test_a_cpu_gets_small_blocks_and_steps_and_no_compilation() -> None:
    arguments = engine_arguments(replace(CONFIG, kv_cache_gib=1.5), "cpu", BF16)
    assert arguments["block_size"] == 32
    assert arguments["max_num_batched_tokens"] == 512
    assert arguments["enforce_eager"] is True
    assert arguments["kv_cache_memory_bytes"] == 3 * 2**29
    assert "gpu_memory_utilization" not in arguments


def test_a_gpu_gets_its_own_defaults() -> None:
    arguments = engine_arguments(CONFIG, "gpu", frozenset())
    own = {"block_size", "enforce_eager", "max_num_seqs", "max_num_batched_tokens", "kv_cache_memory_bytes"}
    assert own.isdisjoint(arguments)
    assert arguments["dtype"] == "auto"
    assert arguments["gpu_memory_utilization"] == 0.9


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_is_asked_for_wins(platform: Platform) -> None:
    asked: dict[str, Any] = {"dtype": "float32", "block_size": 64, "max_model_len": 1024, "max_num_seqs": 3}
    arguments = engine_arguments(replace(CONFIG, eager=False, num_gpu_blocks=50, **asked), platform, BF16)
    assert arguments.items() >= asked.items()
    assert (arguments["enforce_eager"], arguments["num_gpu_blocks_override"]) == (False, 50)


def test_evicted_blocks_go_to_host_memory_on_a_gpu_only() -> None:
    with_host = replace(CONFIG, kv_offload_gib=2.5)
    assert engine_arguments(with_host, "gpu", frozenset())["kv_offloading_size"] == 2.5
    assert "kv_offloading_size" not in engine_arguments(CONFIG, "gpu", frozenset())
    with pytest.raises(ConfigurationError, match="WARMLINE_KV_OFFLOAD_GIB=0") as refused:
        engine_arguments(with_host, "cpu", BF16)
    assert refused.value.param == "kv_offload_gib"


@pytest.mark.parametrize("block_size", [8, 16, 48, 100])
def test_a_cpu_refuses_blocks_its_attention_cannot_use(block_size: int) -> None:
    with pytest.raises(ConfigurationError, match="multiple of 32"):
        engine_arguments(replace(CONFIG, block_size=block_size), "cpu", BF16)
    assert engine_arguments(replace(CONFIG, block_size=block_size), "gpu", BF16)["block_size"] == block_size


@pytest.mark.parametrize(
    ("layout", "continued", "tokens"),
    [((512, 200), False, 712), ((512, 200), True, 1040), ((), False, 1000), ((), True, 1040)],
)
def test_a_request_says_how_much_of_it_others_may_begin_with(
    layout: tuple[int, ...], continued: bool, tokens: int
) -> None:
    """Its segments; a conversation's answer too, which may have 40 tokens; all of an unknown prompt."""
    request = GenerateRequest(
        RequestId("r"),
        to_bytes(token_ids(range(1000))),
        Sampling(40, 0.0),
        "salt",
        9.0,
        layout=pack_steps([Step(SegmentId(number), length) for number, length in enumerate(layout)]),
        continued=continued,
    )
    assert reusable_tokens(request) == tokens


def test_sockets_stay_on_loopback_and_in_the_private_directory() -> None:
    variables = environment(Path("/run/x"), 42, local_model=True)
    assert variables["VLLM_HOST_IP"] == variables["VLLM_LOOPBACK_IP"] == "127.0.0.1"
    assert variables["GLOO_SOCKET_IFNAME"] == "lo"
    assert variables["VLLM_RPC_BASE_PATH"] == "/run/x"
    assert variables["VLLM_NO_USAGE_STATS"] == "1"


def test_a_machine_of_few_cores_gives_all_of_them_to_the_engine() -> None:
    assert environment_defaults(2)["VLLM_CPU_NUM_OF_RESERVED_CPU"] == "0"
    assert "VLLM_CPU_NUM_OF_RESERVED_CPU" not in environment_defaults(16)


def test_only_a_model_that_is_here_is_loaded_offline() -> None:
    assert environment(Path("/x"), 1, local_model=True)["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in environment(Path("/x"), 1, local_model=False)


def test_the_worker_extension_exists_and_adds_what_the_engine_calls_alone() -> None:
    """vLLM imports it by name and refuses one whose attributes collide with the worker's."""
    module, _, name = engine_arguments(CONFIG, "cpu", BF16)["worker_extension_cls"].rpartition(".")
    extension = getattr(import_module(module), name)
    assert [attribute for attribute in dir(extension) if not attribute.startswith("__")] == [
        "give_back_memory"
    ]


@pytest.mark.parametrize(
    ("gpus", "split"),
    [
        (0, {}),
        (1, {}),
        (4, {"tensor_parallel_size": 4, "distributed_executor_backend": "mp"}),
    ],
)
def test_a_model_is_split_over_all_gpus_of_a_replica(gpus: int, split: dict[str, Any]) -> None:
    """In child processes of the replica, which inherit its GPUs."""
    arguments = engine_arguments(replace(CONFIG, gpus=gpus), "gpu", frozenset())
    names = ("tensor_parallel_size", "distributed_executor_backend")
    assert {name: arguments[name] for name in names if name in arguments} == split


def test_several_gpus_need_a_vllm_that_can_use_them() -> None:
    """Otherwise they would be reserved and idle."""
    with pytest.raises(ConfigurationError, match="WARMLINE_ENGINE_GPUS=0"):
        engine_arguments(replace(CONFIG, gpus=2), "cpu", BF16)
    assert engine_arguments(replace(CONFIG, gpus=1), "cpu", BF16) == engine_arguments(CONFIG, "cpu", BF16)


def test_workers_that_share_a_model_talk_over_loopback(tmp_path: Path) -> None:
    variables = environment(tmp_path, 1, local_model=True)
    assert variables["GLOO_SOCKET_IFNAME"] == variables["NCCL_SOCKET_IFNAME"] == "lo"
