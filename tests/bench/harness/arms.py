"""The ways of answering that the benchmark compares, on one engine.

    a  text prompts, tokenized whole, no KV reused                     the seed's "before"
    b  text prompts in rank order, the engine's prefix cache on        what a user of vLLM has today
    c  ids from the token cache, rank order, no KV reused              the seed's design
    d  ids from the token cache, documents ordered by what is cached   Warmline
    e  d, and equal greedy requests share one answer                   Warmline

For a and c each request has its own cache salt, so no KV is reused. b, d and e have one salt each, so that no
arm finds what another has cached.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Protocol
from uuid import uuid4

from deployments.agents.asking import question_of
from deployments.agents.cached_agent import CachedAgent
from deployments.core.documents import Passage
from deployments.core.ids import DEFAULT_TENANT, RequestId
from deployments.core.ledger import Answer
from deployments.core.messages import Ask, Delta, EngineInfo, GenerateRequest
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.engine.service import EngineService
from tests.bench.harness.observation import Observation, document_prefilled
from tests.bench.harness.testbed import Testbed
from tests.bench.harness.text_arm import TextArm

NAMES = {
    "a": "text, no reuse",
    "b": "text, prefix cache",
    "c": "token cache only",
    "d": "warmline",
    "e": "warmline, answers shared",
}


class Arm(Protocol):
    """A way of answering."""

    name: str

    async def ask(self, agent: str, ask: Ask, passages: tuple[Passage, ...] | None = None) -> Observation:
        """Answers from `passages` if given, else searches. The caller sets `kind` and `question`."""


def asked(query: str, max_tokens: int, **fields: Any) -> Ask:
    """A greedy question with a new request id."""
    return Ask(
        DEFAULT_TENANT,
        query,
        RequestId(f"bench-{uuid4().hex}"),
        max_tokens=max_tokens,
        temperature=0.0,
        **fields,
    )


class FreshSalts:
    """An engine without prefix reuse: each request gets a new cache salt."""

    def __init__(self, engine: EngineService) -> None:
        self._engine = engine

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """Answers with a new salt. Tells the engine nothing about the prompt's segments."""
        fresh = replace(request, cache_salt=secrets.token_hex(32), layout=b"", known=())
        async with aclosing(self._engine.generate(fresh)) as deltas:
            async for delta in deltas:
                yield delta

    async def describe(self) -> EngineInfo:
        """The engine's own description."""
        return await self._engine.describe()

    async def survey(self, known: Mapping[str, Sequence[Known]]) -> dict[str, ResidencyUpdate]:
        """Finds nothing, since no request has these salts."""
        return await self._engine.survey(known)


class ServiceArm:
    """The application's own agents."""

    def __init__(
        self, name: str, agents: dict[str, CachedAgent], head_tokens: Callable[[str], int], share: bool
    ) -> None:
        self.name = name
        self._agents = agents
        self._head_tokens = head_tokens
        self._share = share

    async def ask(self, agent: str, ask: Ask, passages: tuple[Passage, ...] | None = None) -> Observation:
        """Answers as the agent does. `passages` replace its search."""
        service = self._agents[agent]
        question = replace(question_of(service.spec, ask), passages=passages, share_answer=self._share)
        started, first_s, answer = time.perf_counter(), 0.0, None
        # `_rag` is used directly because the agent's stream takes no passages.
        async with aclosing(service._rag.stream(question)) as events:
            async for event in events:
                if isinstance(event, Answer):
                    answer = event
                elif event.ids and not first_s:
                    first_s = time.perf_counter()
        ended_s = time.perf_counter()
        assert answer is not None
        return self._observed(agent, answer, (first_s or ended_s) - started, ended_s - started)

    def _observed(self, agent: str, answer: Answer, ttft_s: float, total_s: float) -> Observation:
        reuse, timings = answer.reuse, answer.timings_ms
        reused = reuse.prompt_tokens if reuse.answer in {"shared", "reused"} else reuse.kv_cached_tokens
        return Observation(
            arm=self.name,
            agent=agent,
            kind="",
            question=0,
            prompt_tokens=reuse.prompt_tokens,
            cached_tokens=reuse.kv_cached_tokens,
            document_tokens=answer.context_tokens,
            document_prefilled=document_prefilled(answer.context_tokens, self._head_tokens(agent), reused),
            segments=reuse.segments,
            segment_hits=reuse.l1 + reuse.redis,
            dropped=len(reuse.dropped),
            answer=reuse.answer,
            answer_tokens=answer.answer_tokens,
            engine_ms=timings["queue"] + timings["prefill"],
            ttft_ms=ttft_s * 1000,
            total_ms=total_s * 1000,
            digest=digest(answer.prompt_ids),
        )


def digest(prompt: bytes) -> str:
    """A short hash of a prompt's ids."""
    return blake2b(prompt, digest_size=8).hexdigest()


async def build_arms(bed: Testbed, engine: EngineService, names: str = "abcde") -> dict[str, Arm]:
    """The arms by letter, all on `engine`. They share Redis; each has its own salt and L1."""
    no_reuse = FreshSalts(engine)
    built: dict[str, Arm] = {}
    for name in names:
        if name in "ab":
            built[name] = TextArm(name, bed, engine if name == "b" else no_reuse)
            continue
        fields = {"order": "rank", "retrieval_cache": False} if name == "c" else {"order": "trie"}
        agents = await bed.agents(no_reuse if name == "c" else engine, secrets.token_bytes(32), **fields)
        built[name] = ServiceArm(name, agents, bed.head_tokens, share=name == "e")
    return built
