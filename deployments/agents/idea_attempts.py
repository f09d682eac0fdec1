"""Attempts at one idea: the model writes it, evidence scores it, and a repeat of another is rejected."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from deployments.agents.idea_format import UnusableIdea, parse_idea
from deployments.agents.idea_prompt import IdeaPrompt
from deployments.agents.idea_scoring import Scores, scores_of
from deployments.core.errors import DeadlineExceeded, Unavailable
from deployments.core.ids import RequestId
from deployments.core.ledger import Answer
from deployments.core.ports import Rag
from deployments.core.records.ideas import Evidence, EvidenceQuery, IdeaRequest, IdeaText
from deployments.core.records.ports import BusinessMemory
from deployments.core.words import words_of

SAME_FROM = 0.86
"""The cosine similarity from which two ideas count as the same."""


@dataclass(frozen=True, slots=True)
class ScoredIdea:
    """A usable idea, its scores, and the answer that the model wrote it in."""

    text: IdeaText
    scores: Scores
    answer: Answer


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of all attempts at one idea."""

    best: ScoredIdea
    attempts: int
    """How many answers the model has written."""
    stopped_by: str
    """"threshold", "attempts", "deadline" or "no_evidence", as in `IdeaResult`."""
    failures: Counter[str]
    """Attempts without a usable idea, by reason."""


@dataclass
class Siblings:
    """The ideas of one batch."""

    taken: list[IdeaText] = field(default_factory=list)
    """Those that are in the result so far."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while an idea is compared with `taken` and added to it."""


@dataclass(frozen=True, slots=True)
class AttemptParts:
    """What attempts work with."""

    rag: Rag
    """Asks the model."""
    memory: BusinessMemory
    """Finds the evidence."""
    clock: Callable[[], float]
    """Gives monotonic seconds."""
    wall_clock: Callable[[], float]
    """Gives Unix seconds."""


class IdeaAttempts:
    """The attempts at one idea."""

    def __init__(
        self,
        request: IdeaRequest,
        prompt: IdeaPrompt,
        siblings: Siblings,
        parts: AttemptParts,
        until_s: float,
    ) -> None:
        """`until_s` is the deadline, as a time of `parts.clock`."""
        self._request = request
        self._prompt = prompt
        self._siblings = siblings
        self._parts = parts
        self._until_s = until_s
        self._usable: list[ScoredIdea] = []
        self._failures: Counter[str] = Counter()

    async def run(self) -> Outcome:
        """The first idea that reaches the threshold, else the best one.

        Raises Unavailable (no attempt gave a usable idea; the message says why), DeadlineExceeded (there
        was no usable idea in time), and what the calls to the model and the memory raise.
        """
        stopped_by, attempts = "attempts", 0
        for number in range(1, self._request.max_attempts + 1):
            try:
                answer = await self._written(number)
            except DeadlineExceeded:
                stopped_by = "deadline"
                break
            attempts = number
            if (enough := await self._evaluated(answer)) is not None:
                return Outcome(self._usable[-1], attempts, enough, self._failures)
        return await self._best(attempts, stopped_by)

    async def _written(self, number: int) -> Answer:
        left_s = self._until_s - self._parts.clock()
        if left_s <= 0:
            raise DeadlineExceeded("no time is left for another attempt")
        earlier = [*self._siblings.taken, *(idea.text for idea in self._usable)]
        question = self._prompt.question(
            RequestId(f"{self._request.request_id}-{number}"),
            left_s,
            [text.name for text in earlier],
            with_example=not self._failures["repeat"],
        )
        return await self._parts.rag.generate_with_rag(replace(question, key_id=self._request.key_id))

    async def _evaluated(self, answer: Answer) -> str | None:
        """Keeps the idea if it is usable. Returns why no further attempt is needed, or None."""
        try:
            text = parse_idea(answer.text, answer.finish_reason)
        except UnusableIdea as why:
            self._failures[why.reason] += 1
            return None
        async with self._siblings.lock:
            evidence = await self._evidence(text)
            if is_repeat(text, self._siblings.taken, evidence):
                self._failures["repeat"] += 1
                return None
            scores = scores_of(evidence, self._prompt.business_type, self._parts.wall_clock())
            self._usable.append(ScoredIdea(text, scores, answer))
            enough = None
            if scores.revenue >= self._request.min_revenue_score:
                enough = "threshold"
            elif not evidence.templates:
                enough = "no_evidence"  # the revenue score is then the same for every idea
            if enough is not None:
                self._siblings.taken.append(text)
            return enough

    async def _best(self, attempts: int, stopped_by: str) -> Outcome:
        ranked = sorted(self._usable, key=lambda idea: (-idea.scores.revenue, -idea.scores.overall))
        async with self._siblings.lock:
            for idea in ranked:
                # Siblings may have been taken since the idea was compared.
                if not is_repeat(idea.text, self._siblings.taken, await self._evidence(idea.text)):
                    self._siblings.taken.append(idea.text)
                    return Outcome(idea, attempts, stopped_by, self._failures)
                self._failures["repeat"] += 1
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(self._failures.items()))
        if stopped_by == "deadline":
            raise DeadlineExceeded(f"no usable idea in time; attempts: {attempts} ({why or 'none failed'})")
        raise Unavailable(f"the model wrote no usable idea in {attempts} attempts: {why}")

    async def _evidence(self, text: IdeaText) -> Evidence:
        query = EvidenceQuery(
            self._request.tenant, text, tuple(self._siblings.taken), self._request.use_memory
        )
        return await self._parts.memory.evidence(query)


def is_repeat(text: IdeaText, siblings: list[IdeaText], evidence: Evidence) -> bool:
    """Whether an idea has the name of a sibling, a stored idea or a template, or is too similar to one.

    `evidence.others` has the similarities with `siblings`, in their order.
    """
    known = [(fact.name, fact.similarity) for fact in evidence.templates]
    known += [(other.name, near) for other, near in zip(siblings, evidence.others, strict=True)]
    if evidence.nearest_idea is not None:
        known.append((evidence.nearest_idea.name, evidence.nearest_idea.similarity))
    name = _name_key(text.name)
    return any(near >= SAME_FROM or _name_key(other) == name for other, near in known)


def _name_key(name: str) -> str:
    """Equal for names that differ only in case, spacing and punctuation."""
    return " ".join(words_of(name.casefold())) or name
