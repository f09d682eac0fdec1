"""The question that asks for an idea."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.agents.idea_format import IDEA_SCHEMA
from deployments.core.documents import Passage
from deployments.core.ids import RequestId, Scope
from deployments.core.messages import Question, Sampling, Turn
from deployments.core.records.templates import BusinessType

LEARNED_TEMPLATES = 3
"""Recalled for a prompt: enough to learn from, and few enough to be read in a second on a CPU."""
TEMPERATURE = 0.8
TOP_P = 0.95
"""Hotter than answers are, or each attempt would be the one before."""
_AVOIDED = 8
"""Names of earlier ideas that the model is told; more would be longer than the question."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What an idea is learnt from: passages of recalled templates, and one in the form to be written."""

    passages: tuple[Passage, ...] = ()
    example: str | None = None


@dataclass(frozen=True, slots=True)
class IdeaPrompt:
    """How to ask for ideas of one type. `scope` is whose templates' segments are used."""

    scope: Scope
    business_type: BusinessType
    lesson: Lesson
    max_tokens: int

    def question(
        self, request_id: RequestId, deadline_s: float, avoid: Sequence[str], with_example: bool
    ) -> Question:
        """One attempt. The templates stand in front, so that all attempts share their prefix.

        The example stands behind them, as a first answer, and is left out once the model has copied it.
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
