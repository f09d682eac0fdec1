"""A prepared prompt's way to an engine replica and back."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from deployments.core.errors import EngineUnavailable
from deployments.core.ids import RequestId
from deployments.core.messages import Delta, GenerateRequest, Question
from deployments.core.token_ids import to_bytes
from deployments.rag.parts import RagParts
from deployments.rag.preparing import PreparedPrompt
from deployments.rag.stopwatch import Stopwatch


class EngineCalls:
    """One agent's calls. What replicas tell of themselves goes to the views, for the next decision."""

    def __init__(self, parts: RagParts) -> None:
        self._parts = parts
        self._views = parts.placer.views

    def refresh(self, question: Question) -> None:
        """Asks the replicas anew about the question's tenant, where that is due, while others work on it."""
        self._views.refresh(self._salt(question))

    def failed(self, prompt: PreparedPrompt, error: EngineUnavailable) -> None:
        """A replica has failed: the one that the error names, or else most likely the preferred one.

        The router may have passed that over. Of a replica that is gone altogether it knows by itself.
        """
        if error.replica is not None:
            self._views.avoid(error.replica)
        elif prompt.placing.replicas:
            self._views.forget(prompt.placing.replicas[0])

    async def deltas(
        self, question: Question, prompt: PreparedPrompt, watch: Stopwatch, attempt: int
    ) -> AsyncGenerator[Delta, None]:
        """What the engine makes of a prompt, whose ids are in the first delta. Closing it aborts that.

        Raises what `Generator.generate` raises.
        """
        request = self._request(question, prompt, watch, attempt)
        unsaid = request.prompt
        first = next(iter(prompt.placing.replicas), None)
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
        self, question: Question, prompt: PreparedPrompt, watch: Stopwatch, attempt: int
    ) -> GenerateRequest:
        salt = self._salt(question)
        share = self._parts.share_answers if question.share_answer is None else question.share_answer
        name = f"{question.request_id}-{attempt}" if attempt else question.request_id
        watch.lap("route")
        return GenerateRequest(
            request_id=RequestId(name),
            prompt=to_bytes(prompt.ids),
            sampling=question.sampling,
            cache_salt=salt,
            deadline_s=max(question.deadline_s - watch.elapsed_ms / 1000, 0.001),
            layout=prompt.layout,
            replicas=prompt.placing.replicas,
            avoid=self._views.avoided(),
            known=self._views.known(salt),
            share_answer=share and question.sampling.temperature == 0,
        )

    def _salt(self, question: Question) -> str:
        return self._parts.salt_of(question.scope.tenant)
