"""Sends prepared prompts to engine replicas, and decides whether a failed call is retried."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from deployments.core.errors import EngineUnavailable, Overloaded
from deployments.core.ids import RequestId
from deployments.core.messages import Delta, GenerateRequest, Question
from deployments.core.ports import Generator
from deployments.core.token_ids import to_bytes
from deployments.rag.answer_metrics import AnswerMetrics
from deployments.rag.engine_views import EngineViews
from deployments.rag.preparing import PreparedPrompt
from deployments.rag.stopwatch import Stopwatch

ATTEMPTS = 2
"""How often a prompt is sent at most. It is sent again, in the order for another replica, after an
engine has died or refused it, unless the caller has already seen tokens of the answer."""

PREFERRED = 8
"""Replicas that a call names. The router tries all others after them, in any order: with so many full
replicas, what one of them holds matters less than a free place."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One of a question's calls to the engine."""

    number: int = 0
    """0 for the first call."""
    refused_by: str | None = None
    """The replica that refused the previous call; None where none did."""


class EngineCalls:
    """One agent's calls to the engine. Passes on to `views` what replicas report about themselves."""

    def __init__(
        self,
        generator: Generator,
        views: EngineViews,
        metrics: AnswerMetrics,
        *,
        share_answers: bool,
    ) -> None:
        """`share_answers` is for questions that leave it open."""
        self._generator = generator
        self._views = views
        self._metrics = metrics
        self._share_answers = share_answers

    def next_attempt(
        self, attempt: Attempt, prompt: PreparedPrompt, error: EngineUnavailable | Overloaded
    ) -> Attempt | None:
        """What to try after `attempt` failed with `error`; None where a retry is pointless.

        Notes in the views what the error says about a replica.
        """
        self._note(prompt, error)
        following = self._following(attempt, prompt, error)
        if following is not None:
            self._metrics.retried(error)
        return following

    def _following(
        self, attempt: Attempt, prompt: PreparedPrompt, error: EngineUnavailable | Overloaded
    ) -> Attempt | None:
        if attempt.number + 1 == ATTEMPTS:
            return None
        if isinstance(error, EngineUnavailable):
            return Attempt(attempt.number + 1)
        # Without a name, the queue before all replicas is full and would refuse the prompt again; so
        # would the only replica.
        if error.replica is None or {*prompt.placing.replicas} <= {error.replica}:
            return None
        return Attempt(attempt.number + 1, refused_by=error.replica)

    def _note(self, prompt: PreparedPrompt, error: EngineUnavailable | Overloaded) -> None:
        """Notes in the views what an error says about a replica.

        If an EngineUnavailable names none, this assumes that it was the first preference.
        The router may have skipped that one, so it is only forgotten, not avoided. Replicas that are
        gone need no note: Ray tracks them.
        """
        if isinstance(error, Overloaded):
            if error.replica is not None:
                self._views.record_load(error.replica, error.pending_tokens)
        elif error.replica is not None:
            self._views.avoid(error.replica)
        elif prompt.placing.replicas:
            self._views.forget(prompt.placing.replicas[0])

    async def deltas(
        self, question: Question, prompt: PreparedPrompt, watch: Stopwatch, attempt: Attempt
    ) -> AsyncGenerator[Delta, None]:
        """The engine's deltas for a prompt; the first one also has the prompt's ids.

        Closing the iterator aborts the generation. Raises what `Generator.generate` raises.
        """
        with watch.stage("route"):
            request = self._request(question, prompt, watch, attempt)
        prompt_ids = request.prompt
        expected = next((name for name in request.replicas if name not in request.avoid), None)
        to_prefill = max(len(prompt.ids) - prompt.placing.cached_tokens, 0)
        async with aclosing(self._generator.generate(request)) as deltas:
            with self._views.sending(expected, to_prefill) as arrived:
                async for delta in deltas:
                    arrived()
                    if delta.residency is not None:
                        self._metrics.routed(expected, delta.residency.replica)
                        self._views.apply(request.cache_salt, delta.residency)
                    yield replace(delta, prompt_ids=prompt_ids) if prompt_ids else delta
                    prompt_ids = b""

    def _request(
        self, question: Question, prompt: PreparedPrompt, watch: Stopwatch, attempt: Attempt
    ) -> GenerateRequest:
        salt = prompt.selection.salt
        share = self._share_answers if question.share_answer is None else question.share_answer
        name = f"{question.request_id}-{attempt.number}" if attempt.number else question.request_id
        refused_by = () if attempt.refused_by is None else (attempt.refused_by,)
        replicas = prompt.placing.replicas[:PREFERRED]
        return GenerateRequest(
            request_id=RequestId(name),
            prompt=to_bytes(prompt.ids),
            sampling=question.sampling,
            cache_salt=salt,
            deadline_s=max(question.deadline_s - watch.elapsed_ms / 1000, 0.001),
            layout=prompt.layout,
            replicas=replicas,
            avoid=(*self._views.avoided(), *refused_by),
            known=self._views.known(salt, replicas),
            share_answer=share and question.sampling.temperature == 0,
            continued=prompt.selection.opening.conversed is not None,
        )
