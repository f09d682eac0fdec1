"""Generates ideas from successful templates: one, or a batch whose ideas differ from each other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle, islice

from deployments.agents.idea_attempts import AttemptParts, IdeaAttempts, Outcome, Siblings
from deployments.agents.idea_format import example_of
from deployments.agents.idea_prompt import LEARNED_TEMPLATES, IdeaPrompt, Lesson
from deployments.agents.idea_scoring import types_by_evidence
from deployments.core.agent_spec import AgentSpec
from deployments.core.errors import InvalidRequest, WarmlineError
from deployments.core.ids import DocId, RequestId, Scope
from deployments.core.library_ports import PassageReader
from deployments.core.records.ideas import (
    MAX_BATCH,
    BusinessIdea,
    IdeaBatch,
    IdeaDraft,
    IdeaRequest,
    IdeaResult,
)
from deployments.core.records.templates import BusinessType, TemplateQuery

CONCURRENT_IDEAS = 4
"""How many ideas of a batch are generated at a time, so that the engine has room for other requests."""


class IdeaGenerator:
    """Generates ideas for one agent."""

    def __init__(self, spec: AgentSpec, parts: AttemptParts, passages: PassageReader) -> None:
        self._spec = spec
        self._parts = parts
        self._passages = passages

    async def generate(self, request: IdeaRequest) -> IdeaResult:
        """One idea. Raises InvalidRequest (no type given, and no templates to choose one by), and what
        `IdeaAttempts.run` raises.
        """
        (business_type,) = await self._types(request, (), 1)
        until_s = self._parts.clock() + request.deadline_s
        return await self._generated(request, business_type, Siblings(), until_s)

    async def generate_batch(
        self, request: IdeaRequest, count: int, business_types: Sequence[BusinessType]
    ) -> IdeaBatch:
        """`count` ideas, of the given types in turn; without any, of the types with the best record.

        `missing` says why ideas failed. Raises what `generate` raises if all of them did.
        """
        if not 1 <= count <= MAX_BATCH:
            raise InvalidRequest(f"count must be 1 to {MAX_BATCH}", "count")
        types = await self._types(request, business_types, count)
        until_s = self._parts.clock() + request.deadline_s
        siblings, slots = Siblings(), asyncio.Semaphore(CONCURRENT_IDEAS)

        key = request.idempotency_key

        async def one(number: int, business_type: BusinessType) -> IdeaResult | WarmlineError:
            part = replace(
                request,
                request_id=RequestId(f"{request.request_id}-{number}"),
                idempotency_key=f"{key}-{number}" if key else None,
            )
            async with slots:
                try:
                    return await self._generated(part, business_type, siblings, until_s)
                except WarmlineError as error:
                    return error

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(n, kind)) for n, kind in enumerate(types, 1)]
        return _batch(types, [task.result() for task in tasks])

    async def _types(
        self, request: IdeaRequest, given: Sequence[BusinessType], count: int
    ) -> list[BusinessType]:
        if not given and request.business_type is not None:
            given = (request.business_type,)
        if not given and request.use_memory:
            given = types_by_evidence(await self._parts.memory.type_summaries(request.tenant))
        if not given:
            raise InvalidRequest(
                "business_type must be given: there are no templates to choose one by", "business_type"
            )
        return list(islice(cycle(given), count))

    async def _generated(
        self, request: IdeaRequest, business_type: BusinessType, siblings: Siblings, until_s: float
    ) -> IdeaResult:
        prompt = IdeaPrompt(
            Scope(request.tenant, self._spec.collection),
            business_type,
            await self._lesson(request, business_type),
            self._spec.max_tokens,
        )
        outcome = await IdeaAttempts(request, prompt, siblings, self._parts, until_s).run()
        idea = self._idea(outcome, business_type)
        idea_id, explanation = None, outcome.best.scores.explanation
        if request.use_memory:
            draft = IdeaDraft(request.user_id, idea, explanation)
            stored = await self._parts.memory.put_idea(request.tenant, draft, request.idempotency_key)
            # An idea that was stored under this key before is the one that counts.
            idea_id, idea, explanation = stored.idea_id, stored.draft.idea, stored.draft.score_explanation
        answer = outcome.best.answer
        return IdeaResult(
            idea_id=idea_id,
            idea=idea,
            score_explanation=explanation,
            min_revenue_score=request.min_revenue_score,
            met_threshold=idea.revenue_score >= request.min_revenue_score,
            attempts=outcome.attempts,
            stopped_by=outcome.stopped_by,
            failures=dict(outcome.failures),
            learned_from=tuple(citation.doc_id for citation in answer.citations),
            reuse=answer.reuse,
            request_id=answer.request_id,
        )

    async def _lesson(self, request: IdeaRequest, business_type: BusinessType) -> Lesson:
        if not (request.use_memory and request.learn_from_past):
            return Lesson()
        query = TemplateQuery(request.tenant, business_type, top_k=LEARNED_TEMPLATES, user_id=request.user_id)
        recalled = await self._parts.memory.recall_templates(query)
        scope = Scope(request.tenant, self._spec.collection)
        found = await self._passages.passages_of(scope, [DocId(t.template_id) for t in recalled])
        examples = (example_of(template.draft.template_data) for template in recalled)
        return Lesson(found.passages, next((example for example in examples if example is not None), None))

    def _idea(self, outcome: Outcome, business_type: BusinessType) -> BusinessIdea:
        scores = outcome.best.scores
        moment = datetime.fromtimestamp(self._parts.wall_clock(), UTC)
        return BusinessIdea(
            text=outcome.best.text,
            business_type=business_type,
            success_metrics=scores.success_metrics,
            revenue_score=scores.revenue,
            market_trend_score=scores.market_trend,
            differentiation_score=scores.differentiation,
            overall_score=scores.overall,
            generated_at=moment.isoformat(timespec="milliseconds"),
        )


def _batch(types: Sequence[BusinessType], results: Sequence[IdeaResult | WarmlineError]) -> IdeaBatch:
    ideas = [result for result in results if isinstance(result, IdeaResult)]
    errors = [result for result in results if isinstance(result, WarmlineError)]
    if not ideas:
        raise errors[0]
    missing = tuple(
        f"{kind}: {result.message}"
        for kind, result in zip(types, results, strict=True)
        if isinstance(result, WarmlineError)
    )
    best_first = sorted(ideas, key=lambda result: (-result.idea.overall_score, result.request_id))
    return IdeaBatch(tuple(best_first), missing)
