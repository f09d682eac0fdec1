"""Prefills prompts before they are asked for, so that the first questions find their documents' KV."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

from deployments.core.errors import DeadlineExceeded, EngineUnavailable, WarmlineError
from deployments.core.ids import RequestId
from deployments.core.messages import EngineInfo, GenerateRequest, Sampling, Warmed
from deployments.core.ports import Generator
from deployments.engine.warm_prompts import WarmPrompt

log = logging.getLogger(__name__)


WarmPrompts: TypeAlias = "Callable[[EngineInfo], Awaitable[Sequence[WarmPrompt]]]"
"""What a new replica prefills, most wanted first. May raise WarmlineError: then it begins cold."""


@dataclass(frozen=True, slots=True)
class WarmStart:
    """What a replica prefills before it is ready, and how long that may take, in seconds (0: nothing)."""

    prompts: WarmPrompts
    within_s: float


async def warm_start(engine: Generator, start: WarmStart) -> Warmed:
    """Warms a new replica. That it can't is no error. Raises EngineUnavailable when the engine has ended."""
    if start.within_s <= 0:
        return Warmed()
    began = asyncio.get_running_loop().time()
    info = await engine.describe()
    try:
        async with asyncio.timeout(start.within_s):
            prompts = await start.prompts(info)
    except (WarmlineError, TimeoutError) as error:
        log.warning("this engine begins with a cold cache (%s: %s)", type(error).__name__, error)
        return Warmed()
    spent_s = asyncio.get_running_loop().time() - began
    requests = [(prompt.salt, prompt.prompt, prompt.layout) for prompt in prompts]
    warmed = await warm(engine, requests, start.within_s - spent_s)
    spent_s = asyncio.get_running_loop().time() - began
    log.info("warmed %d of %d prompts in %.1f s: %s", warmed.prompts, len(prompts), spent_s, warmed)
    return warmed


async def warm(engine: Generator, prompts: Iterable[tuple[str, bytes, bytes]], within_s: float) -> Warmed:
    """Prefills one prompt after the other, each given as salt, ids and layout, while there is time.

    One that the engine refuses is passed over. Raises EngineUnavailable.
    """
    ends_at = asyncio.get_running_loop().time() + within_s
    warmed = Warmed()
    for salt, prompt, layout in prompts:
        left_s = ends_at - asyncio.get_running_loop().time()
        if left_s <= 0:
            break
        try:
            cached = await _prefilled(engine, salt, prompt, layout, left_s)
        except DeadlineExceeded:
            break
        except EngineUnavailable:
            raise
        except WarmlineError as error:
            log.warning("a prompt stays cold: %s", error)
            continue
        warmed += Warmed(1, len(prompt) // 4 - cached, cached)
    return warmed


async def _prefilled(engine: Generator, salt: str, prompt: bytes, layout: bytes, within_s: float) -> int:
    """How many of its tokens were in the cache."""
    request = GenerateRequest(
        request_id=RequestId(f"warm-{secrets.token_hex(8)}"),
        prompt=prompt,
        sampling=Sampling(max_tokens=1, temperature=0.0),
        cache_salt=salt,
        deadline_s=within_s,
        layout=layout,
    )
    cached = 0
    async with aclosing(engine.generate(request)) as deltas:
        async for delta in deltas:
            cached = delta.kv_cached_tokens or cached
    return cached
