"""How long a quiet tenant waits for its first token while another one floods the engine.

    python -m tests.bench.studies.flood [--clients 64] [--seconds 40] [--tiny]

The real engine, in this process, with the turns of `deployments.engine.engine_turns`. A quiet tenant asks one
question at a time: alone, beside clients of another tenant that ask again as soon as they have their answer,
and last as a client of the flooding tenant, i.e. without fair turns. Every prompt is new.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from random import Random

from deployments.core.errors import Overloaded
from deployments.core.ids import RequestId
from deployments.core.messages import GenerateRequest
from deployments.core.sampling import Sampling
from deployments.core.token_ids import count_in, to_bytes, token_ids
from deployments.engine.config import EngineConfig
from deployments.engine.engine_turns import EngineTurns
from deployments.engine.resident_engine import ReplicaName, ResidentEngine
from deployments.engine.vllm_engine import VllmEngine
from deployments.engine.warming import warm_up
from serve_app.settings import Settings
from serve_app.setup.catalog import EMBEDDED
from serve_app.setup.models import ensure_embedded_llm
from tests.bench.harness.summaries import percentile
from tests.bench.studies.tiny_engine import make_model, open_vllm

_PLACES = 80
_PROMPT_TOKENS = 256
_ANSWER_TOKENS = 32
_PAUSE_S = 0.5
_DEADLINE_S = 120.0
_TINY_CACHE_TOKENS = 60_000


class Client:
    """A client of one tenant. Collects the times to first tokens, and counts tokens."""

    def __init__(self, engine: ResidentEngine, tenant: str, rng: Random) -> None:
        self._engine = engine
        self._tenant = tenant
        self._rng = rng
        self._numbers = itertools.count()
        self.ttfts_ms: list[float] = []
        self.tokens = 0
        self.refused = 0

    async def ask(self) -> None:
        """Asks a new question to the end of its answer."""
        ids = token_ids(self._rng.choices(range(1000, 20_000), k=_PROMPT_TOKENS))
        request = GenerateRequest(
            RequestId(f"{secrets.token_hex(4)}-{next(self._numbers)}"),
            to_bytes(ids),
            Sampling(_ANSWER_TOKENS, 0.0, ignore_eos=True),
            self._tenant,
            _DEADLINE_S,
        )
        since_s, first = time.monotonic(), True
        async with aclosing(self._engine.generate(request)) as deltas:
            async for delta in deltas:
                if first:
                    self.ttfts_ms.append((time.monotonic() - since_s) * 1000)
                    self.tokens += _PROMPT_TOKENS
                    first = False
                self.tokens += count_in(delta.ids)

    async def run(self, pause_s: float) -> None:
        """Asks one question after another until it is cancelled."""
        while True:
            try:
                await self.ask()
            except Overloaded:
                self.refused += 1
                await asyncio.sleep(1.0)
            await asyncio.sleep(pause_s)


@asynccontextmanager
async def running(clients: Sequence[Client], pause_s: float) -> AsyncIterator[None]:
    """Runs clients inside the context."""
    tasks = [asyncio.create_task(client.run(pause_s)) for client in clients]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def study(vllm: VllmEngine, clients: int, seconds: float) -> None:
    """Runs the three parts, and prints a line for each."""
    turns = EngineTurns(vllm.seats, _PLACES)
    name = ReplicaName("replica", "run")
    engine = ResidentEngine(vllm, await vllm.describe(), name, turns, time.monotonic)
    await warm_up(engine)
    print("quiet tenant alone:", line(await quiet(engine, "quiet", [], seconds / 2)))
    for tenant in ("quiet", "flood"):
        crowd = [Client(engine, "flood", Random(n)) for n in range(clients)]
        found = await quiet(engine, tenant, crowd, seconds)
        print(f"beside {clients} clients, as tenant {tenant!r}:", line(found))
        served = sum(one.tokens for one in crowd)
        refused = sum(one.refused for one in crowd)
        print(f"  the flood: {served / seconds:.0f} tokens/s, {refused} refused")


async def with_tiny_model(tokenizer_of: Path, clients: int, seconds: float) -> None:
    """The study on a model of random weights."""
    with tempfile.TemporaryDirectory() as folder:
        model = make_model(Path(folder), tokenizer_of)
        async with open_vllm(model, _TINY_CACHE_TOKENS) as vllm:
            await study(vllm, clients, seconds)


async def with_llm(model: Path, clients: int, seconds: float) -> None:
    """The study on the embedded model."""
    vllm = await VllmEngine.start(EngineConfig(str(model), "smollm2", max_model_len=2048))
    try:
        await study(vllm, clients, seconds)
    finally:
        await vllm.shutdown()


async def quiet(engine: ResidentEngine, tenant: str, crowd: Sequence[Client], seconds: float) -> list[float]:
    """The times to first tokens of one quiet client of `tenant` beside a crowd, in milliseconds."""
    client = Client(engine, tenant, Random(secrets.token_hex(8)))
    async with running(crowd, 0.0):
        await asyncio.sleep(5.0 if crowd else 0.0)  # until the crowd has filled the engine
        async with running([client], _PAUSE_S):
            await asyncio.sleep(seconds)
    return client.ttfts_ms


def line(ttfts_ms: list[float]) -> str:
    """The figures of a part."""
    if not ttfts_ms:
        return "no first token"
    half, most = percentile(ttfts_ms, 50), percentile(ttfts_ms, 95)
    return f"TTFT p50 {half:.0f} ms, p95 {most:.0f} ms of {len(ttfts_ms)}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--tiny", action="store_true", help="a model of random weights, for a busy machine")
    options = parser.parse_args()
    folder = Settings.from_env(os.environ).models
    llm = ensure_embedded_llm(EMBEDDED["smollm2-135m"], "bfloat16", folder, print)
    run = with_tiny_model if options.tiny else with_llm
    asyncio.run(run(llm, options.clients, options.seconds))
