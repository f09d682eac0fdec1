"""From a question to an answer, on token ids all the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from deployments.core.errors import DeadlineExceeded, InternalFault
from deployments.core.ids import Scope
from deployments.core.ledger import Answer, PromptTokens
from deployments.core.messages import AgentSpec, CacheStats, Delta, EngineInfo, GenerateRequest, Question
from deployments.core.token_ids import to_bytes
from deployments.rag.answering import Generation, answer_of, reuse_of, tokens_of
from deployments.rag.parts import RagParts
from deployments.rag.preparing import PreparedPrompt, PromptPreparer
from deployments.rag.stats import increments
from deployments.rag.stopwatch import Stopwatch

_TOKEN_PATH = ("retrieve", "tokens", "assemble")


class TokenCachedRAG:
    """One agent's answers over its collection."""

    def __init__(self, spec: AgentSpec, parts: RagParts) -> None:
        self.spec = spec
        self._parts = parts
        self._engine: EngineInfo | None = None
        self._preparer = PromptPreparer(spec, parts)

    async def retrieve_tokens(self, question: Question) -> PromptTokens:
        """The prompt of a question and what it was made of; nothing is generated or counted."""
        prompt = await self._prepared(question, self._watch(question))
        return tokens_of(prompt, self._parts.order_name)

    async def generate_with_rag(self, question: Question) -> Answer:
        """The answer, complete. Raises what `stream` raises."""
        async with aclosing(self.stream(question)) as events:
            async for event in events:
                if isinstance(event, Answer):
                    return event
        raise InternalFault("a generation ended without an answer")

    async def stream(self, question: Question) -> AsyncGenerator[Delta | Answer, None]:
        """Deltas as the engine makes them; the last event is the `Answer`.

        Raises PromptTooLong, DeadlineExceeded, KnowledgeUnavailable, EngineUnavailable. Closing the
        iterator aborts the generation.
        """
        watch = self._watch(question)
        prompt = await self._prepared(question, watch)
        reuse = reuse_of(prompt, self._parts.order_name, 0)
        token_path_ms = sum(watch.stages_ms[stage] for stage in _TOKEN_PATH)
        self._parts.counts.record(question.scope, increments(reuse, token_path_ms), prompt.keys)
        generation = Generation()
        if prompt.ids:
            request = self._request(question, prompt, watch)
            async with aclosing(self._parts.generator.generate(request)) as deltas:
                unsaid = request.prompt
                async for delta in deltas:
                    generation.add(delta, watch)
                    yield replace(delta, prompt_ids=unsaid) if unsaid else delta
                    unsaid = b""
        else:
            delta = Delta(self.spec.no_context, b"", finish_reason="stop")
            generation.add(delta, watch)
            yield delta
        answer = await self._answer(question, prompt, generation, watch)
        self._parts.answered(question, answer)
        yield answer

    async def get_cache_stats(self, scope: Scope) -> CacheStats:
        """The cluster's figures for a scope, counted and measured now. Raises CacheUnavailable."""
        return await self._parts.counts.fresh_stats(scope)

    async def reset_stats(self, scope: Scope) -> None:
        """Starts a scope's counters anew. Raises CacheUnavailable."""
        await self._parts.counts.reset(scope)

    async def clear_cache(self, scope: Scope) -> int:
        """Deletes a scope's cached segments; returns the exact count. Raises CacheUnavailable."""
        return await self._parts.clear_segments(scope)

    def clear_local(self, scope: Scope) -> int:
        """Empties this process's L1 for a scope; returns how many segments it held."""
        return self._parts.resolver.clear(scope.tenant, scope.collection)

    def _watch(self, question: Question) -> Stopwatch:
        arrived = question.arrived_unix_s
        before_s = self._parts.wall_clock() - arrived if arrived is not None else 0.0
        return Stopwatch(self._parts.clock, before_s)

    async def _prepared(self, question: Question, watch: Stopwatch) -> PreparedPrompt:
        try:
            async with asyncio.timeout(question.deadline_s):
                engine = self._engine or await self._parts.generator.describe()
                self._engine = engine
                return await self._preparer.prepare(question, engine.max_model_len, watch)
        except TimeoutError:
            raise DeadlineExceeded(f"no prompt within {question.deadline_s:g} s") from None

    def _request(self, question: Question, prompt: PreparedPrompt, watch: Stopwatch) -> GenerateRequest:
        watch.lap("route")
        return GenerateRequest(
            request_id=question.request_id,
            prompt=to_bytes(prompt.ids),
            sampling=question.sampling,
            cache_salt=self._parts.salt_of(question.scope.tenant),
            deadline_s=max(question.deadline_s - watch.elapsed_ms / 1000, 0.001),
        )

    async def _answer(
        self, question: Question, prompt: PreparedPrompt, generation: Generation, watch: Stopwatch
    ) -> Answer:
        cache_error = prompt.cache_error or await self._parts.counts.settled(question.scope)
        stats = self._parts.counts.stats(question.scope)
        order = self._parts.order_name
        return answer_of(
            question, prompt, generation, watch, order=order, stats=stats, cache_error=cache_error
        )
