"""A real `vllm serve` as an engine: the same ids as from an engine that is started here."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deployments.core.ids import RequestId
from deployments.core.messages import Delta, GenerateRequest
from deployments.core.reuse.paths import SegmentId, Step, pack_steps
from deployments.core.sampling import Sampling
from deployments.core.token_ids import from_bytes, to_bytes
from deployments.engine.config import EngineConfig, engine_arguments
from deployments.engine.engine_turns import EngineTurns
from deployments.engine.local_engine import LocalEngine
from deployments.engine.remote.checks import CheckedServer, Expected, checked
from deployments.engine.remote.event_source import follow_events
from deployments.engine.remote.http_link import HttpLink
from deployments.engine.resident_engine import ReplicaName, ResidentEngine
from deployments.engine.vllm_engine import VllmEngine, cpu_flags
from deployments.token_cache.bundle import load_bundle
from deployments.token_cache.encoder import BundleEncoder
from tests.listeners import family

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]

KEY = "key-of-the-server"
TEXT = "The quick brown fox jumps over the lazy dog, and nobody knows why it does so every day. "
LAYOUT = pack_steps([Step(SegmentId(1), 64), Step(SegmentId(2), 64)])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def url(
    embedded_llm: Path, engine_config: EngineConfig, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The server's address. It runs the model as the local engine does."""
    port, published, repeated = free_port(), free_port(), free_port()
    own = engine_arguments(engine_config, "cpu", cpu_flags())
    events = {
        "enable_kv_cache_events": True,
        "publisher": "zmq",
        "endpoint": f"tcp://127.0.0.1:{published}",
        "replay_endpoint": f"tcp://127.0.0.1:{repeated}",
    }
    flags = {
        "--served-model-name": "served",
        "--host": "127.0.0.1",
        "--port": port,
        "--api-key": KEY,
        "--kv-events-config": json.dumps(events),
        "--structured-outputs-config": json.dumps(own["structured_outputs_config"]),
        **{
            "--" + name.replace("_", "-"): own[name]
            for name in (
                "max_model_len",
                "dtype",
                "block_size",
                "kv_cache_memory_bytes",
                "max_num_seqs",
                "max_num_batched_tokens",
                "prefix_caching_hash_algo",
                "scheduling_policy",
            )
        },
    }
    # What `vllm serve` runs. That command itself looks for a package named vllm, and the CPU build's is not.
    code = "from vllm.entrypoints.launchers.api_server.entry import main; main()"
    command = [sys.executable, "-c", code, "--model", str(embedded_llm)]
    command += [str(part) for pair in flags.items() for part in pair]
    command += ["--enable-prompt-tokens-details", "--enforce-eager"]
    environ = os.environ | {"VLLM_CPU_NUM_OF_RESERVED_CPU": "0", "VLLM_LOGGING_LEVEL": "WARNING"}
    environ.pop("PYTHONHASHSEED", None)
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environ, stdout=output, stderr=subprocess.STDOUT)
    try:
        address = f"http://127.0.0.1:{port}"
        while not healthy(address):
            assert process.poll() is None, log.read_text()
            time.sleep(0.5)
        yield address
    finally:
        members = family(process.pid)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        finally:
            for pid in members:
                if Path("/proc", str(pid)).exists():
                    os.kill(pid, signal.SIGKILL)


def healthy(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def encoder(embedded_llm: Path) -> BundleEncoder:
    return BundleEncoder(load_bundle(str(embedded_llm)))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def link(url: str) -> AsyncIterator[HttpLink]:
    link = HttpLink(url, KEY, 8)
    yield link
    await link.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(link: HttpLink, encoder: BundleEncoder) -> CheckedServer:
    probes = [
        (text, encoder.encode_trusted(text))
        for text in (TEXT, "<|im_start|>user\nHi, Größe 你好<|im_end|>\n")
    ]
    return await checked(link, Expected(frozenset({"served"}), "SmolLM2", probes, None))


def request(encoder: BundleEncoder, text: str, max_tokens: int = 24, **more: Any) -> GenerateRequest:
    prompt = encoder.encode_trusted(f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n")
    sampling = Sampling(max_tokens, 0.0, **more)
    return GenerateRequest(RequestId("r"), to_bytes(prompt), sampling, "salt", 60.0)


async def answer(engine: LocalEngine, asked: GenerateRequest) -> list[Delta]:
    return [delta async for delta in engine.generate(asked)]


def ids_of(deltas: list[Delta]) -> list[int]:
    return from_bytes(b"".join(delta.ids for delta in deltas)).tolist()


async def test_ids_are_those_of_the_engine_that_is_started_here(
    server: CheckedServer, engine: VllmEngine, encoder: BundleEncoder
) -> None:
    """Greedy answers, their text, and how they end."""
    texts = [
        "What is the capital of France?",
        TEXT * 12 + "Why?",
        "Count from 1 to 20.",
        "Say a word\n\n and stop.",
    ]
    for text in texts:
        asked = request(encoder, text)
        there, here = await answer(server.engine, asked), await answer(engine, asked)
        assert ids_of(there) == ids_of(here)
        assert "".join(delta.text for delta in there) == "".join(delta.text for delta in here)
        assert there[-1].finish_reason == here[-1].finish_reason


async def test_it_says_what_it_is_and_what_it_finds(server: CheckedServer, encoder: BundleEncoder) -> None:
    """The size of its cache, and how much of a prompt was there: whole blocks, not the last token's."""
    info = await server.engine.describe()
    assert (info.model, info.max_model_len, info.block_size) == ("SmolLM2", 2048, 32)
    assert 5_000 < info.kv_cache_tokens < 50_000
    asked = replace(request(encoder, TEXT * 8), cache_salt="of this test")
    tokens = len(asked.prompt) // 4
    for cached in (0, (tokens - 1) // 32 * 32):
        assert (await answer(server.engine, asked))[-1].kv_cached_tokens == cached


async def test_stop_texts_seeds_and_schemas_work(server: CheckedServer, encoder: BundleEncoder) -> None:
    """As from an engine that is started here."""
    stopped = await answer(server.engine, request(encoder, "Count from 1 to 20.", 60, stop=("5",)))
    assert "5" not in "".join(delta.text for delta in stopped)
    assert stopped[-1].finish_reason == "stop"
    schema = json.dumps({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    formed = await answer(server.engine, request(encoder, "Give me a number.", 40, json_schema=schema))
    assert isinstance(json.loads("".join(delta.text for delta in formed))["n"], int)
    warm = replace(request(encoder, "Tell me a story."), sampling=Sampling(12, 1.0, seed=7))
    assert ids_of(await answer(server.engine, warm)) == ids_of(await answer(server.engine, warm))


async def test_a_caller_that_leaves_ends_the_generation(
    server: CheckedServer, encoder: BundleEncoder
) -> None:
    """The server counts no running request soon after."""
    asked = request(encoder, "Tell me a very long story.", 1500)
    async with aclosing(
        server.engine.generate(replace(asked, sampling=replace(asked.sampling, ignore_eos=True)))
    ) as deltas:
        await anext(deltas)
    for _ in range(100):
        if (await server.engine.look()).counters.running == 0:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the generation goes on")


async def test_its_events_tell_what_it_holds(
    server: CheckedServer, link: HttpLink, encoder: BundleEncoder
) -> None:
    """They name blocks as this application does, so nothing is estimated, and nothing expires."""
    info = await server.engine.describe()
    resident = ResidentEngine(server.engine, info, ReplicaName("r", "e"), EngineTurns(20, 80), time.monotonic)
    try:
        await follow_events(resident, link, server, None)
        asked = replace(request(encoder, TEXT * 10), layout=LAYOUT)
        (first, *_) = await answer(resident, asked)
        assert first.residency is not None
        assert not first.residency.estimated
        await asyncio.sleep(2.5)  # blocks that no event confirms are gone after two seconds
        assert resident.survey("salt", ()).changes
        assert not resident.counters().residency_estimated
    finally:
        resident.close()
