"""Attempts at one idea: the model writes, evidence scores, and what repeats another idea is refused."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

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
"""Cosine from which two ideas are one idea in other words."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A usable idea, its scores, and the answer that the model wrote it in."""

    text: IdeaText
    scores: Scores
    answer: Answer


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the attempts came to; see `IdeaResult`."""

    best: Attempt
    attempts: int
    stopped_by: str
    failures: Counter[str]


@dataclass
class Siblings:
    """The ideas of one batch that were taken so far. `turn` is held while one is compared and taken."""

    taken: list[IdeaText] = field(default_factory=list)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class AttemptParts:
    """What attempts work with. `clock` gives monotonic seconds, `wall_clock` Unix seconds."""

    rag: Rag
    memory: BusinessMemory
    clock: Callable[[], float]
    wall_clock: Callable[[], float]


class IdeaAttempts:
    """One idea in the making. `until_s` is when `parts.clock` says that there is no time left."""

    def __init__(
        self,
        request: IdeaRequest,
        prompt: IdeaPrompt,
        siblings: Siblings,
        parts: AttemptParts,
        until_s: float,
    ) -> None:
        self._request = request
        self._prompt = prompt
        self._siblings = siblings
        self._parts = parts
        self._until_s = until_s
        self._usable: list[Attempt] = []
        self._failures: Counter[str] = Counter()

    async def run(self) -> Outcome:
        """The first idea that reaches the threshold, else the best one.

        Raises: Unavailable (no attempt gave a usable idea; says why), DeadlineExceeded (likewise, for want of
        time), and what the model's and the memory's calls raise.
        """
        stopped_by, attempts = "attempts", 0
        for number in range(1, self._request.max_attempts + 1):
            try:
                answer = await self._written(number)
            except DeadlineExceeded:
                stopped_by = "deadline"
                break
            attempts = number
            if (ended := await self._considered(answer)) is not None:
                return Outcome(self._usable[-1], attempts, ended, self._failures)
        return await self._best(attempts, stopped_by)

    async def _written(self, number: int) -> Answer:
        left_s = self._until_s - self._parts.clock()
        if left_s <= 0:
            raise DeadlineExceeded("no time is left for another attempt")
        earlier = [*self._siblings.taken, *(attempt.text for attempt in self._usable)]
        question = self._prompt.question(
            RequestId(f"{self._request.request_id}-{number}"),
            left_s,
            [text.name for text in earlier],
            with_example=not self._failures["repeat"],
        )
        return await self._parts.rag.generate_with_rag(question)

    async def _considered(self, answer: Answer) -> str | None:
        """Keeps a usable idea; says why no further attempt is needed, if none is."""
        try:
            text = parse_idea(answer.text, answer.finish_reason)
        except UnusableIdea as why:
            self._failures[why.reason] += 1
            return None
        async with self._siblings.turn:
            evidence = await self._evidence(text)
            if is_repeat(text, self._siblings.taken, evidence):
                self._failures["repeat"] += 1
                return None
            scores = scores_of(evidence, self._prompt.business_type, self._parts.wall_clock())
            self._usable.append(Attempt(text, scores, answer))
            ended = None
            if scores.revenue >= self._request.min_revenue_score:
                ended = "threshold"
            elif not evidence.templates:
                ended = "no_evidence"  # revenue is then the same for every idea
            if ended is not None:
                self._siblings.taken.append(text)
            return ended

    async def _best(self, attempts: int, stopped_by: str) -> Outcome:
        ranked = sorted(self._usable, key=lambda a: (-a.scores.revenue, -a.scores.overall))
        async with self._siblings.turn:
            for attempt in ranked:
                # Others may have been taken since it was compared.
                if not is_repeat(attempt.text, self._siblings.taken, await self._evidence(attempt.text)):
                    self._siblings.taken.append(attempt.text)
                    return Outcome(attempt, attempts, stopped_by, self._failures)
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
    """Whether an idea is a sibling, a known idea or a template over again: by its name or by its similarity.

    Similarities with the siblings are in `evidence.others`.
    """
    known = [(fact.name, fact.similarity) for fact in evidence.templates]
    known += [(other.name, near) for other, near in zip(siblings, evidence.others, strict=True)]
    if evidence.nearest_idea is not None:
        known.append((evidence.nearest_idea.name, evidence.nearest_idea.similarity))
    name = _name_key(text.name)
    return any(near >= SAME_FROM or _name_key(other) == name for other, near in known)


def _name_key(name: str) -> str:
    """Equal for names that differ in case, spacing and signs only."""
    return " ".join(words_of(name.casefold())) or name
