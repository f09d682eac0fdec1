"""The question that asks the model for an idea."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.agents.idea_format import IDEA_SCHEMA
from deployments.core.documents import Passage
from deployments.core.ids import RequestId, Scope
from deployments.core.messages import Question, Turn
from deployments.core.records.templates import BusinessType
from deployments.core.sampling import Sampling

LEARNED_TEMPLATES = 3
"""Templates in a prompt: enough to learn from, and few enough that a CPU prefills them in a second."""
TEMPERATURE = 0.8
"""Higher than for answers, so that an attempt does not repeat the one before."""
TOP_P = 0.95
_AVOIDED = 8
"""How many names of earlier ideas a prompt lists; more would be longer than the question."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the model learns from."""

    passages: tuple[Passage, ...] = ()
    """Of the recalled templates."""
    example: str | None = None
    """One of the templates, in the JSON form of an idea; None where none has all its parts."""


@dataclass(frozen=True, slots=True)
class IdeaPrompt:
    """How to ask for ideas of one type."""

    scope: Scope
    """The tenant's templates."""
    business_type: BusinessType
    lesson: Lesson
    max_tokens: int
    """Of the answer."""

    def question(
        self, request_id: RequestId, deadline_s: float, avoid: Sequence[str], with_example: bool
    ) -> Question:
        """The question of one attempt. `avoid` are names of earlier ideas.

        The prompt begins with the templates, so that all attempts share this prefix. The example follows
        as a first turn; the caller leaves it out after the model has copied it.
        """
        asked = (
            f"Write down a new business of the type {self.business_type}, in JSON: name, description, "
            "target_audience, monetization_model, mvp_features and tech_stack."
        )
        history: tuple[Turn, ...] = ()
        if with_example and self.lesson.example is not None:
            history = (Turn(asked, self.lesson.example),)
            asked = "Now another one, different from all above."
        if avoid:
            asked += f" Not one of these: {'; '.join(avoid[-_AVOIDED:])}."
        return Question(
            scope=self.scope,
            text=asked,
            top_k=LEARNED_TEMPLATES,
            sampling=Sampling(self.max_tokens, TEMPERATURE, TOP_P, json_schema=IDEA_SCHEMA),
            request_id=request_id,
            deadline_s=deadline_s,
            section=self.business_type,
            history=history,
            passages=self.lesson.passages,
        )
