"""Prefills prompts in advance, so that first questions find their documents in the KV cache."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from deployments.core.errors import DeadlineExceeded, EngineUnavailable, WarmlineError
from deployments.core.ids import RequestId, Scope
from deployments.core.messages import EngineInfo, GenerateRequest, Warmed
from deployments.core.ports import Generator
from deployments.core.salt import salt_scope
from deployments.core.sampling import Sampling
from deployments.core.token_ids import count_in, to_bytes, token_ids
from deployments.engine.warm_prompts import PromptSource, WarmPrompt, plan_for

log = logging.getLogger(__name__)

FIRST_PROMPT_TOKENS = 64
FIRST_PROMPT_DEADLINE_S = 300.0

WarmPrompts: TypeAlias = "Callable[[EngineInfo], Awaitable[Sequence[WarmPrompt]]]"
"""Selects what a replica prefills, most wanted first. On WarmlineError the replica starts cold."""


@dataclass(frozen=True, slots=True)
class WarmStart:
    """What a replica does before it is ready."""

    prompts: WarmPrompts
    """Selects what it prefills."""
    within_s: float
    """How long that may take, in seconds; with 0 it prefills nothing."""


async def warm_up(engine: Generator) -> None:
    """Prefills a small prompt and decodes two tokens: an engine's first generation sets up its kernels.

    The salt is random, so no request finds the prompt in the cache. Raises EngineUnavailable,
    DeadlineExceeded.
    """
    request = GenerateRequest(
        request_id=RequestId("warm-up"),
        prompt=to_bytes(token_ids(range(FIRST_PROMPT_TOKENS))),
        sampling=Sampling(max_tokens=2, temperature=0.0),
        cache_salt=secrets.token_hex(32),
        deadline_s=FIRST_PROMPT_DEADLINE_S,
    )
    async with aclosing(engine.generate(request)) as deltas:
        async for _ in deltas:
            pass


async def warm_before_ready(engine: Generator, warm_start: WarmStart) -> Warmed:
    """Prefills what `warm_start` selects. Raises EngineUnavailable if the engine has ended.

    If the prompts can't be selected in time, logs a warning and prefills nothing.
    """
    if warm_start.within_s <= 0:
        return Warmed()
    began = asyncio.get_running_loop().time()
    info = await engine.describe()
    try:
        async with asyncio.timeout(warm_start.within_s):
            prompts = await warm_start.prompts(info)
    except (WarmlineError, TimeoutError) as error:
        log.warning("this engine starts with a cold cache (%s: %s)", type(error).__name__, error)
        return Warmed()
    spent_s = asyncio.get_running_loop().time() - began
    requests = [(prompt.salt, prompt.prompt, prompt.layout) for prompt in prompts]
    warmed = await warm(engine, requests, warm_start.within_s - spent_s)
    spent_s = asyncio.get_running_loop().time() - began
    log.info("warmed %d of %d prompts in %.1f s: %s", warmed.prompts, len(prompts), spent_s, warmed)
    return warmed


async def warm(engine: Generator, prompts: Iterable[tuple[str, bytes, bytes]], within_s: float) -> Warmed:
    """Prefills prompts one after another, until `within_s` seconds have passed.

    Each prompt is given as salt, ids and layout. Skips a prompt that the engine refuses. Raises
    EngineUnavailable.
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
            log.warning("can't prefill a prompt: %s", error)
            continue
        warmed += Warmed(1, count_in(prompt) - cached, cached)
    return warmed


class WarmableEngine(Protocol):
    """All engine replicas of the cluster. Raises EngineUnavailable."""

    async def describe(self) -> EngineInfo:
        """What each replica runs."""

    async def warm(self, salt: str, prompts: Sequence[tuple[bytes, bytes]], within_s: float) -> Warmed:
        """Prefills a tenant's prompts, each given as ids and layout, in every replica."""


class WarmLimits(Protocol):
    """How much one warming may do, as the application's settings say."""

    @property
    def warm_up_tokens(self) -> int | None:
        """How many tokens it prefills in each replica; None for half of the replica's KV cache."""

    @property
    def warm_up_s(self) -> float:
        """How long it may take, in seconds."""


class ClusterWarmer:
    """A `PromptWarmer` for every engine replica of the cluster."""

    def __init__(self, source: PromptSource, engine: WarmableEngine, limits: WarmLimits) -> None:
        self._source = source
        self._engine = engine
        self._limits = limits

    async def warm(self, scope: Scope) -> Warmed:
        """Prefills the preambles of the scope's tenant and its hottest paths. Raises Unavailable."""
        info = await self._engine.describe()
        hottest = await self._source.hottest(scope.tenant, scope.collection)
        wanted = [*await self._source.preambles([scope.tenant]), *hottest]
        planned = plan_for(info, wanted, self._limits.warm_up_tokens)
        prompts = [(prompt.prompt, prompt.layout) for prompt in planned]
        salt = await self._source.salts.of(salt_scope(scope.tenant))
        return await self._engine.warm(salt, prompts, self._limits.warm_up_s)


async def _prefilled(engine: Generator, salt: str, prompt: bytes, layout: bytes, within_s: float) -> int:
    """Prefills one prompt; returns how many of its tokens were in the KV cache."""
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
