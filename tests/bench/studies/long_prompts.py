"""What does a long prompt cost on its way from the texts of its documents to the engine, without retrieval?

    python -m tests.bench.studies.long_prompts [--model qwen2.5-coder-1.5b] [--prefill-up-to 4500]

Prompts of 1,000 to 32,000 tokens, in documents of 200. Each stage is the application's own function, timed
alone. `ids` is measured three times: the texts tokenized, and their ids from Redis and from the replica's L1.
The last rows of the table compare the sum with the time to the first token: on this machine, as the engine
prefills prompts up to `--prefill-up-to` tokens (0 starts no engine), and on a GPU by calculation
(`gpu_prefill_ms`). WARMLINE_MODEL_DIR names the folder of converted models. Writes
`bench-results/long-prompts.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
import warnings
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.messages import GenerateRequest
from deployments.core.sampling import Sampling
from deployments.engine.config import EngineConfig
from deployments.engine.vllm_engine import VllmEngine
from deployments.redis.connection import RedisLink
from deployments.redis.embedded_server import EmbeddedRedis
from deployments.token_cache.codec import encode
from deployments.token_cache.lru import SegmentLru
from deployments.token_cache.redis_store import RedisSegmentStore
from deployments.token_cache.resolver import CachedResolver, UncachedResolver
from serve_app.local_models import local_models
from serve_app.settings import Settings
from serve_app.setup.catalog import LARGE
from tests.bench.harness.report import RESULTS, Report
from tests.bench.harness.surroundings import environment
from tests.bench.workload.prompt_stages import BLOCK, Prompts, Stages

SIZES = (1_000, 4_000, 16_000, 32_000)
RUNS = 15
SCOPE = Scope(TenantId("acme"), CollectionName("support_kb"))


class GPU:
    """A GPU by its maker's data sheet, and how much of it prefill is assumed to reach."""

    name = "H100 SXM"
    operations_per_s = 989.4e12
    """Dense, in bfloat16."""
    bytes_per_s = 3.35e12
    """Bandwidth of its memory."""
    reached = 0.5


def gpu_prefill_ms(model: dict[str, Any], tokens: int, cached: int = 0) -> float:
    """Time to prefill a prompt in bfloat16 on the GPU, by calculation: to compute, or to read its memory.

    To compute are two operations for each weight and token, and for each pair of a token and one before it
    four for each number of the hidden state in each layer. To read are the weights and the cached keys and
    values, two bytes a number. `model` is its config.json.
    """
    hidden, layers = model["hidden_size"], model["num_hidden_layers"]
    kv_width = hidden // model["num_attention_heads"] * model["num_key_value_heads"]
    weights = layers * (2 * hidden * (hidden + kv_width) + 3 * hidden * model["intermediate_size"])
    pairs = (tokens**2 - cached**2) / 2
    operations = 2 * weights * (tokens - cached) + 4 * layers * hidden * pairs
    read = 2 * weights + 2 * 2 * layers * kv_width * tokens
    seconds: float = max(operations / GPU.operations_per_s, read / GPU.bytes_per_s) / GPU.reached
    return 1000 * seconds


@dataclass
class Stores:
    """The three ways to the ids of texts."""

    tokenized: UncachedResolver
    redis: CachedResolver
    l1: CachedResolver


async def _timed(stage: Callable[[], Awaitable[object] | None]) -> float:
    """Median milliseconds of a stage."""
    times_ms = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        waiting = stage()
        if waiting is not None:
            await waiting
        times_ms.append((time.perf_counter() - begun) * 1000)
    return median(times_ms)


async def stages(prompts: Prompts, stores: Stores, tokens: int) -> tuple[dict[str, float], Stages]:
    """Milliseconds of each stage of a prompt of about so many tokens."""
    texts = prompts.texts(tokens)
    resolved = await stores.l1.resolve(SCOPE, texts)
    made = Stages(prompts, texts, resolved.ids, resolved.keys)

    def fresh() -> list[str]:  # new strings, as in each request: Python caches the hash of a string in it
        return [text[:1] + text[1:] for text in texts]

    timed = {
        "ids, tokenized": await _timed(lambda: stores.tokenized.resolve(SCOPE, fresh())),
        "ids, from Redis": await _timed(lambda: stores.redis.resolve(SCOPE, fresh())),
        "ids, from L1": await _timed(lambda: stores.l1.resolve(SCOPE, fresh())),
    }
    for stage in (made.placed, made.ending, made.layout, made.joined, made.encoded, made.decoded):
        timed[stage.__name__] = await _timed(stage)
    timed |= {"hashed": await _timed(made.hashed), "recorded": await _timed(made.recorded)}
    return timed, made


async def prefilled(folder: str, requests: Sequence[GenerateRequest]) -> list[dict[str, float]]:
    """Milliseconds to the first token of each prompt: new to the engine, and found in its cache."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        engine = await VllmEngine.start(EngineConfig(folder, "asked", block_size=BLOCK, kv_cache_gib=1.0))
    try:
        await _first_token_ms(engine, requests[0], "warm")
        return [
            {
                "here, new": await _first_token_ms(engine, request, f"{number}"),
                "here, cached": median(
                    [await _first_token_ms(engine, request, f"{number}") for _ in range(5)]
                ),
            }
            for number, request in enumerate(requests)
        ]
    finally:
        await engine.shutdown()


async def _first_token_ms(engine: VllmEngine, request: GenerateRequest, salt: str) -> float:
    one = replace(request, sampling=Sampling(1, 0.0), cache_salt=salt, deadline_s=600.0)
    begun = time.perf_counter()
    async with aclosing(engine.generate(one)) as deltas:
        async for _ in deltas:
            pass
    return (time.perf_counter() - begun) * 1000


def shares(timed: dict[str, float], first_token_ms: dict[str, float]) -> dict[str, float]:
    """Sums of the stages, and their percentages of the time to the first token.

    Hashing is left out: the engine works on the prompt meanwhile.
    """
    ways = {way: timed[way] for way in timed if way.startswith("ids, ")}
    rest = sum(value for stage, value in timed.items() if stage not in {*ways, "hashed"})
    sums = {f"sum, {way}": rest + value for way, value in ways.items()}
    return sums | {
        f"{way}: % of {place}": 100 * value / (value + engine_ms)
        for place, engine_ms in first_token_ms.items()
        for way, value in sums.items()
    }


async def measure(model: str, prefill_up_to: int, state_dir: Path) -> Report:
    """Measures all sizes, and prints the table."""
    settings = Settings.from_env(os.environ, model=model, state_dir=state_dir)
    folder = local_models(settings, print).llm
    config = json.loads((Path(folder) / "config.json").read_text())
    prompts = Prompts(folder, max(SIZES))
    link = RedisLink(EmbeddedRedis(state_dir).acquire(), timeout_s=1.0)
    store = RedisSegmentStore(link)
    stores = Stores(
        UncachedResolver(prompts.encoder),
        CachedResolver(prompts.encoder, SegmentLru(0), store, None),
        CachedResolver(prompts.encoder, SegmentLru(2**26), store, None),
    )
    all_ids = await stores.tokenized.resolve(SCOPE, prompts.texts(max(SIZES)))
    pairs = zip(all_ids.keys, all_ids.ids, strict=True)
    await store.put_many(SCOPE, {key: encode(ids, key, prompts.vocab_size) for key, ids in pairs}, 3600)
    measured = [await stages(prompts, stores, tokens) for tokens in SIZES]
    await link.close()
    engine_ms: list[dict[str, float]] = [{} for _ in SIZES]
    small = [made.request for _, made in measured if made.tokens <= prefill_up_to]
    if small:
        engine_ms[: len(small)] = await prefilled(folder, small)
    columns = []
    for (timed, made), here in zip(measured, engine_ms, strict=True):
        tokens = made.tokens
        gpu = {
            f"{GPU.name}, new": gpu_prefill_ms(config, tokens),
            f"{GPU.name}, cached": gpu_prefill_ms(config, tokens, tokens // BLOCK * BLOCK - BLOCK),
        }
        first_token_ms = here | gpu
        columns.append({"tokens": tokens, **timed, **first_token_ms, **shares(timed, first_token_ms)})
    report = Report({"model": model, "prefill_up_to": prefill_up_to})
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [
        {"ms": name}
        | {f"{size:,}": _rounded(column.get(name)) for size, column in zip(SIZES, columns, strict=True)}
        for name in names
    ]
    report.table("A prompt's way to the engine", rows)
    report.sections["long_prompts"] = rows
    return report


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def main() -> None:
    """Runs the study."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default=LARGE, help="name of an embedded model")
    parser.add_argument("--prefill-up-to", type=int, default=4_500, help="tokens; 0 starts no engine")
    asked = parser.parse_args()
    with environment(), tempfile.TemporaryDirectory() as folder:
        report = asyncio.run(measure(asked.model, asked.prefill_up_to, Path(folder)))
    print(report.write(RESULTS / "long-prompts.json"))


if __name__ == "__main__":
    main()
