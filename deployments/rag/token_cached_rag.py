"""Answers questions with documents whose token ids are cached."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

from deployments.core.agent_spec import AgentSpec
from deployments.core.cache_figures import CacheStats
from deployments.core.errors import DeadlineExceeded, EngineUnavailable, InternalFault, Overloaded
from deployments.core.ids import Scope, TenantId
from deployments.core.ledger import Answer, PromptTokens
from deployments.core.messages import Delta, Question, SegmentSource, Warmed
from deployments.core.sampling import Sampling
from deployments.core.usage import Amounts
from deployments.rag.answer_metrics import AnswerMetrics
from deployments.rag.answering import Generation, answer_of, reuse_of, tokens_of
from deployments.rag.conversing import Conversations
from deployments.rag.described_engine import DescribedEngine
from deployments.rag.ending import Endings
from deployments.rag.engine_calls import Attempt, EngineCalls
from deployments.rag.engine_usage import EngineUsage
from deployments.rag.opening import Opener
from deployments.rag.parts import RagParts
from deployments.rag.preparing import PreparedPrompt, PromptPreparer
from deployments.rag.prompt import PromptAssembler
from deployments.rag.selecting import Selection, Selector
from deployments.rag.stats import increments
from deployments.rag.stopwatch import Stopwatch

_TOKEN_PATH = ("retrieve", "tokens", "assemble")


class TokenCachedRAG:
    """One agent's answers over its collection."""

    def __init__(self, spec: AgentSpec, parts: RagParts) -> None:
        self.spec = spec
        self._parts = parts
        self._engine = DescribedEngine(parts.generator.describe)
        assembler = PromptAssembler(parts.encoder, parts.scaffold, spec.preamble)
        endings = Endings(spec, assembler, hints=parts.rank_hint)
        self._selector = Selector(spec, parts, Opener(parts, assembler), endings)
        self._preparer = PromptPreparer(parts, endings)
        self._conversations = Conversations(spec.name, spec.collection, parts.conversations, parts.encoder)
        self._metrics = AnswerMetrics(spec.name, parts.meter)
        self._calls = EngineCalls(
            parts.generator, parts.placer.views, self._metrics, share_answers=parts.share_answers
        )

    async def retrieve_tokens(self, question: Question) -> PromptTokens:
        """The prompt of a question and what it was made of. Generates and counts nothing.

        Raises PromptTooLong, DeadlineExceeded, KnowledgeUnavailable.
        """
        watch = self._watch(question)
        async with _deadline(question):
            question, selection = await self._selected(question, watch)
            prompt = await self._preparer.place_and_join(question, selection, watch)
        return tokens_of(prompt, self._parts.placer.name)

    async def generate_with_rag(self, question: Question) -> Answer:
        """The complete answer. Raises what `stream` raises."""
        async with aclosing(self._events(question, shown=False)) as events:
            async for event in events:
                if isinstance(event, Answer):
                    return event
        raise InternalFault("a generation ended without an answer")

    def stream(self, question: Question) -> AsyncGenerator[Delta | Answer, None]:
        """Deltas as the engine makes them; the last event is the `Answer`.

        Raises PromptTooLong, DeadlineExceeded, KnowledgeUnavailable, EngineUnavailable, Overloaded; in a
        conversation also NotFound, InvalidRequest and Conflict. Closing the iterator aborts the generation.
        """
        return self._events(question, shown=True)

    async def _events(self, question: Question, *, shown: bool) -> AsyncGenerator[Delta | Answer, None]:
        """`shown`: the caller sees each delta, so an answer that has begun is not started again."""
        watch = self._watch(question)
        async with _deadline(question):
            question, selection = await self._selected(question, watch)
        attempt = Attempt()
        while True:
            generation = Generation()
            async with _deadline(question):
                prompt = await self._preparer.place_and_join(question, selection, watch)
            if not attempt.number:
                self._record(question, prompt, watch)
            try:
                async with aclosing(self._deltas(question, prompt, watch, attempt)) as deltas:
                    async for delta in deltas:
                        generation.add(delta, watch)
                        yield replace(delta, residency=None) if delta.residency else delta
                break
            except (EngineUnavailable, Overloaded) as error:
                retry = self._calls.next_attempt(attempt, prompt, error)
                if retry is None or (shown and generation.text):
                    raise
                attempt = retry
        self._preparer.answered(question, prompt)
        answer = await self._answer(question, prompt, generation, watch)
        answer = await self._conversations.keep(question, prompt, generation, answer)
        self._metrics.answered(answer, prompt)
        for notice in self._parts.answered:
            notice(question, answer)
        yield answer

    async def get_cache_stats(self, scope: Scope) -> CacheStats:
        """The cluster's figures for a scope, measured now. Raises CacheUnavailable."""
        return await self._parts.counts.fresh_stats(scope)

    async def reset_stats(self, scope: Scope) -> None:
        """Sets a scope's counters to zero. Raises CacheUnavailable."""
        await self._parts.counts.reset(scope)

    def clear_local(self, scope: Scope) -> int:
        """Empties this process's caches for a scope; returns how many segments they held."""
        self._parts.forget_retrievals(scope)
        return self._parts.resolver.clear(scope.tenant, scope.collection)

    async def prefill(self, question: Question) -> Warmed:
        """Prefills the question's prompt in one engine replica. Raises what `stream` raises.

        Statistics don't count it, because no user asked.
        """
        watch = self._watch(question)
        question = replace(question, sampling=Sampling(1, 0.0), share_answer=False)
        async with _deadline(question):
            question, selection = await self._selected(question, watch)
            prompt = await self._preparer.place_and_join(question, selection, watch)
        generation = Generation()
        if prompt.ids:
            answer = self._deltas(question, prompt, watch, Attempt(), warming=True)
            async with aclosing(answer) as deltas:
                async for delta in deltas:
                    generation.add(delta, watch)
        cached = generation.kv_cached_tokens
        return Warmed(1, len(prompt.ids) - cached, cached) if prompt.ids else Warmed()

    async def warm(self, scope: Scope) -> Warmed:
        """Prefills a scope's most frequent prompts in every engine replica. Raises Unavailable."""
        warmed = await self._parts.warmer.warm(scope)
        used = Amounts(warmed.prompts, warmed.prefilled_tokens, warmed.cached_tokens, warmed.prompts)
        self._report(scope.tenant, "", used, warming=True)
        return warmed

    def _watch(self, question: Question) -> Stopwatch:
        clock, spent = self._parts.clock, question.spent
        before_s = 0.0 if spent is None else spent.until(clock(), within_s=question.deadline_s)
        return Stopwatch(clock, before_s, self._parts.stage_span)

    async def _selected(self, question: Question, watch: Stopwatch) -> tuple[Question, Selection]:
        """What the prompt is made of; and the question, without a history that its conversation has."""
        engine = await self._engine.info()
        question, talk = await self._conversations.resumed(question)
        return question, await self._selector.select(question, engine.max_model_len, watch, talk)

    async def _deltas(
        self,
        question: Question,
        prompt: PreparedPrompt,
        watch: Stopwatch,
        attempt: Attempt,
        *,
        warming: bool = False,
    ) -> AsyncGenerator[Delta, None]:
        if not prompt.ids:
            yield Delta(self.spec.no_context, b"", finish_reason="stop")
            return
        usage = EngineUsage(len(prompt.ids))
        counted = usage.counted(self._calls.deltas(question, prompt, watch, attempt))
        try:
            async with aclosing(counted) as deltas:
                async for delta in deltas:
                    yield delta
        finally:
            self._report(question.scope.tenant, question.key_id, usage.amounts, warming=warming)

    def _report(self, tenant: TenantId, key_id: str, used: Amounts, *, warming: bool = False) -> None:
        if self._parts.usage is not None and used != Amounts():
            self._parts.usage.add(tenant, key_id, used, warming=warming)

    def _record(self, question: Question, prompt: PreparedPrompt, watch: Stopwatch) -> None:
        reuse = reuse_of(prompt, self._parts.placer.name, Generation())
        token_path_ms = sum(watch.stages_ms[stage] for stage in _TOKEN_PATH)
        self._parts.counts.record(question.scope, increments(reuse, token_path_ms), prompt.selection.keys)
        if self._parts.paths is not None:
            self._parts.paths.add(question.scope, prompt.path)

    async def _answer(
        self, question: Question, prompt: PreparedPrompt, generation: Generation, watch: Stopwatch
    ) -> Answer:
        cache_error = await self._cache_error(question.scope, prompt.selection)
        stats = self._parts.counts.stats(question.scope)
        engine = await self._engine.info()
        return answer_of(
            question,
            prompt,
            generation,
            watch,
            order=self._parts.placer.name,
            block_size=engine.block_size,
            stats=stats,
            cache_error=cache_error,
        )

    async def _cache_error(self, scope: Scope, selection: Selection) -> str | None:
        """Why the shared cache could not be used.

        Ids that it gave show that it could. Without any, the exchange of counters tells.
        """
        not_exchanged = await self._parts.counts.settled(scope)  # the statistics have this answer then
        if SegmentSource.REDIS in selection.all_sources:
            return selection.cache_error
        return selection.cache_error or not_exchanged


@asynccontextmanager
async def _deadline(question: Question) -> AsyncIterator[None]:
    """Raises DeadlineExceeded when the block takes longer than the question's deadline."""
    try:
        async with asyncio.timeout(question.deadline_s):
            yield
    except TimeoutError:
        raise DeadlineExceeded(f"the prompt was not ready within {question.deadline_s:g} s") from None
