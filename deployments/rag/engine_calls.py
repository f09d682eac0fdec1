"""A prepared prompt's way to an engine replica and back."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from deployments.core.errors import EngineUnavailable, Overloaded
from deployments.core.ids import RequestId
from deployments.core.messages import Delta, GenerateRequest, Question
from deployments.core.token_ids import to_bytes
from deployments.rag.parts import RagParts
from deployments.rag.preparing import PreparedPrompt
from deployments.rag.stopwatch import Stopwatch

ATTEMPTS = 2
"""A prompt whose engine died or refused it is sent once more, in the order for another replica, unless its
tokens were shown."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One of a question's calls, and the replica that refused the one before."""

    number: int = 0
    refused_by: str | None = None


class EngineCalls:
    """One agent's calls. What replicas tell of themselves goes to the views, for the next decision."""

    def __init__(self, parts: RagParts) -> None:
        self._parts = parts
        self._views = parts.placer.views

    def refresh(self, question: Question) -> None:
        """Asks the replicas anew about the question's tenant, where that is due, while others work on it."""
        self._views.refresh(self._salt(question))

    def another(
        self, attempt: Attempt, prompt: PreparedPrompt, error: EngineUnavailable | Overloaded
    ) -> Attempt | None:
        """What to try behind one that failed so; None where that is no use. The views learn what it tells."""
        self._learn(prompt, error)
        if attempt.number + 1 == ATTEMPTS:
            return None
        if isinstance(error, EngineUnavailable):
            return Attempt(attempt.number + 1)
        # The queue before all replicas would refuse it again, and so would the only one.
        if error.replica is None or {*prompt.placing.replicas} <= {error.replica}:
            return None
        return Attempt(attempt.number + 1, refused_by=error.replica)

    def _learn(self, prompt: PreparedPrompt, error: EngineUnavailable | Overloaded) -> None:
        """What has ended, if unnamed, is most likely the preferred one.

        The router may have passed that over. Of a replica that is gone altogether it knows by itself.
        """
        if isinstance(error, Overloaded):
            if error.replica is not None:
                self._views.loaded(error.replica, error.pending_tokens)
        elif error.replica is not None:
            self._views.avoid(error.replica)
        elif prompt.placing.replicas:
            self._views.forget(prompt.placing.replicas[0])

    async def deltas(
        self, question: Question, prompt: PreparedPrompt, watch: Stopwatch, attempt: Attempt
    ) -> AsyncGenerator[Delta, None]:
        """What the engine makes of a prompt, whose ids are in the first delta. Closing it aborts that.

        Raises what `Generator.generate` raises.
        """
        request = self._request(question, prompt, watch, attempt)
        unsaid = request.prompt
        first = next((name for name in request.replicas if name not in request.avoid), None)
        missing = max(len(prompt.ids) - prompt.placing.cached_tokens, 0)
        async with aclosing(self._parts.generator.generate(request)) as deltas:
            with self._views.sending(first, missing) as arrived:
                async for delta in deltas:
                    arrived()
                    if delta.residency is not None:
                        self._views.apply(request.cache_salt, delta.residency)
                    yield replace(delta, prompt_ids=unsaid, residency=None) if unsaid else delta
                    unsaid = b""

    def _request(
        self, question: Question, prompt: PreparedPrompt, watch: Stopwatch, attempt: Attempt
    ) -> GenerateRequest:
        salt = self._salt(question)
        share = self._parts.share_answers if question.share_answer is None else question.share_answer
        name = f"{question.request_id}-{attempt.number}" if attempt.number else question.request_id
        refused_by = () if attempt.refused_by is None else (attempt.refused_by,)
        watch.lap("route")
        return GenerateRequest(
            request_id=RequestId(name),
            prompt=to_bytes(prompt.ids),
            sampling=question.sampling,
            cache_salt=salt,
            deadline_s=max(question.deadline_s - watch.elapsed_ms / 1000, 0.001),
            layout=prompt.layout,
            replicas=prompt.placing.replicas,
            avoid=(*self._views.avoided(), *refused_by),
            known=self._views.known(salt),
            share_answer=share and question.sampling.temperature == 0,
        )

    def _salt(self, question: Question) -> str:
        return self._parts.salt_of(question.scope.tenant)
