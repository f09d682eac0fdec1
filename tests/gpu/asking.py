"""Prompts of random ids, and what one answer of the engine's replica shows."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random

from deployments.core.ids import RequestId
from deployments.core.messages import GenerateRequest
from deployments.core.reuse.paths import Known, ResidencyUpdate, Step, ids_segment, pack_steps
from deployments.core.sampling import Sampling
from deployments.core.token_ids import TokenIds, count_in, join, to_bytes, token_ids
from deployments.engine.config import EngineConfig
from deployments.engine.engine_turns import EngineTurns
from deployments.engine.kv_events import KvEvents
from deployments.engine.resident_engine import ReplicaName, ResidentEngine
from deployments.engine.vllm_engine import VllmEngine

ORDINARY_IDS = range(1_000, 40_000)
"""Ids that are no control tokens in any model that is served."""
REPLICA = "replica"
DEADLINE_S = 600.0
_numbers = count()


def new_ids(tokens: int) -> TokenIds:
    """Ids that no earlier prompt has."""
    return token_ids(Random(next(_numbers)).choices(ORDINARY_IDS, k=tokens))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client of the replica sees of an answer."""

    text: str
    tokens: int
    ttft_ms: float
    took_s: float
    cached_tokens: int
    """Prompt tokens that the engine found in its cache."""
    residency: ResidencyUpdate | None
    """What the replica reports of its cache; None without a layout."""


@dataclass(frozen=True, slots=True)
class Replica:
    """An engine with its queue, its KV events and its trees, as the Engine deployment has it."""

    vllm: VllmEngine
    engine: ResidentEngine

    async def ask(
        self,
        segments: Sequence[TokenIds],
        salt: str,
        known: tuple[Known, ...] = (),
        sampling: Sampling | None = None,
    ) -> Answer:
        """Asks a prompt of these segments, of which the last one is the question. By default it wants one
        token."""
        request = self.request(segments, salt, known, sampling or Sampling(1, 0.0))
        started_s = time.perf_counter()
        async with aclosing(self.engine.generate(request)) as stream:
            first = await anext(stream)
            ttft_ms = (time.perf_counter() - started_s) * 1000
            deltas = [first, *[delta async for delta in stream]]
        return Answer(
            "".join(delta.text for delta in deltas),
            sum(count_in(delta.ids) for delta in deltas),
            ttft_ms,
            time.perf_counter() - started_s,
            first.kv_cached_tokens or 0,
            first.residency,
        )

    def request(
        self, segments: Sequence[TokenIds], salt: str, known: tuple[Known, ...], sampling: Sampling
    ) -> GenerateRequest:
        """The request for `ask`."""
        steps = [Step(ids_segment(ids), len(ids)) for ids in segments[:-1]]
        return GenerateRequest(
            RequestId(f"gpu-{next(_numbers)}"),
            to_bytes(join(list(segments))),
            sampling,
            salt,
            DEADLINE_S,
            layout=pack_steps(steps),
            known=known,
        )


@asynccontextmanager
async def open_replica(config: EngineConfig) -> AsyncIterator[Replica]:
    """Starts the engine as `serve_app.assembly.engine` does, without Ray."""
    vllm = await VllmEngine.start(config)
    try:
        info = await vllm.describe()
        name, turns = ReplicaName(REPLICA, "epoch"), EngineTurns(vllm.seats, 2 * vllm.seats)
        engine = ResidentEngine(vllm, info, name, turns, time.monotonic, hash_seed=vllm.hash_seed)
        engine.run_in_background(KvEvents(vllm.events, engine.feed).follow())
        try:
            yield Replica(vllm, engine)
        finally:
            engine.close()
    finally:
        await vllm.shutdown()


def model_config(model: Path | str, gpus: int, longest: int) -> EngineConfig:
    """An engine with room for several of the longest prompts: a GPU has more in any case."""
    return EngineConfig(
        str(model), "model", gpus=gpus, max_model_len=longest + 1024, kv_cache_gib=0.5, eager=None
    )
