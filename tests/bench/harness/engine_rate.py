"""Measures how fast the engine is on this machine.

The sizes of the parts follow from it, and `hops` compares the speed of streams with it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from uuid import uuid4

from deployments.core.ids import RequestId
from deployments.core.messages import GenerateRequest
from deployments.core.sampling import Sampling
from deployments.core.token_ids import count_in, to_bytes, token_ids
from deployments.engine.service import EngineService

STREAMS = 16
_PROMPT = 1500
_WRITTEN = 48


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens a second: prefilled of a prompt of 1,500 tokens, decoded for one answer and for 16 at a time."""

    prefilled_per_s: float
    written_alone_per_s: float
    written_per_s: float

    def __str__(self) -> str:
        return (
            f"prefills {self.prefilled_per_s:.0f} tokens/s, writes {self.written_alone_per_s:.0f} alone "
            f"and {self.written_per_s:.0f} for {STREAMS} streams"
        )


async def rate_of(engine: EngineService) -> Rate:
    """Takes some seconds. The first prompt only warms the engine up."""
    await _written(engine, range(64), 2)
    started_s = time.perf_counter()
    await _written(engine, range(_PROMPT), 1)
    prefilled_s = time.perf_counter() - started_s
    started_s = time.perf_counter()
    alone = await _written(engine, range(64), _WRITTEN)
    alone_s = time.perf_counter() - started_s
    started_s = time.perf_counter()
    prompts = (range(100 + number, 164 + number) for number in range(STREAMS))
    together = await asyncio.gather(*(_written(engine, prompt, _WRITTEN) for prompt in prompts))
    together_s = time.perf_counter() - started_s
    return Rate(_PROMPT / prefilled_s, alone / alone_s, sum(together) / together_s)


async def _written(engine: EngineService, prompt: Sequence[int], tokens: int) -> int:
    request = GenerateRequest(
        RequestId(f"rate-{uuid4().hex}"),
        to_bytes(token_ids(prompt)),
        Sampling(tokens, 0.0),
        secrets.token_hex(32),
        300.0,
    )
    async with aclosing(engine.generate(request)) as deltas:
        return sum([count_in(delta.ids) async for delta in deltas])
