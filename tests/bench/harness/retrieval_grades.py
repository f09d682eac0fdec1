"""Grades what is selected for a question's prompt, and sums the grades up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from deployments.core.documents import Passage
from tests.bench.harness.retrieval_questions import KINDS, RetrievalQuestion
from tests.bench.harness.summaries import percentile

AMONG = 5


@dataclass(frozen=True, slots=True)
class Grade:
    """What one question's prompt was made of."""

    question: RetrievalQuestion
    first: bool
    """Whether the best passage is of a right document."""
    among: bool
    """Whether a right document is among the first `AMONG` ones."""
    in_prompt: bool | None
    """Whether the prompt's passages of right documents have the answer. None where the question has none."""
    sure: bool
    """Whether a passage was found that is similar enough to answer without a doubt."""
    context_tokens: int
    """Tokens of the prompt's passages."""
    retrieve_ms: float

    def as_dict(self) -> dict[str, Any]:
        """The grade as the report's JSON has it."""
        asked = {"question": self.question.text, "kind": self.question.kind, "half": self.question.half}
        return asked | {field.name: getattr(self, field.name) for field in fields(self)[1:]}


def grade(
    question: RetrievalQuestion,
    passages: Sequence[Passage],
    sure: bool,
    context_tokens: int,
    retrieve_ms: float,
) -> Grade:
    """Grades the passages of a prompt, best first."""
    right = [passage.segment for passage in passages if passage.doc_id in question.pages]
    ranked = list(dict.fromkeys(passage.doc_id for passage in passages))
    return Grade(
        question,
        bool(ranked) and ranked[0] in question.pages,
        not question.pages.isdisjoint(ranked[:AMONG]),
        question.answered_by(right) if question.facts else None,
        sure,
        context_tokens,
        retrieve_ms,
    )


def rows(corpus: str, grades: Sequence[Grade]) -> list[dict[str, Any]]:
    """A row for each kind of question."""
    by_kind = {kind: [one for one in grades if one.question.kind == kind] for kind in KINDS}
    return [_row(corpus, kind, of_kind) for kind, of_kind in by_kind.items() if of_kind]


def _row(corpus: str, kind: str, grades: Sequence[Grade]) -> dict[str, Any]:
    answerable = kind != "unanswerable"
    known = [one.in_prompt for one in grades if one.in_prompt is not None]
    times_ms = [one.retrieve_ms for one in grades]
    return {
        "corpus": corpus,
        "kind": kind,
        "questions": len(grades),
        "first": sum(one.first for one in grades) if answerable else None,
        "among five": sum(one.among for one in grades) if answerable else None,
        "in prompt": f"{known.count(True)} of {len(known)}" if answerable else None,
        "refused": sum(not one.sure for one in grades),
        "tokens": round(percentile([one.context_tokens for one in grades], 50)),
        "p50 ms": round(percentile(times_ms, 50), 1),
        "p95 ms": round(percentile(times_ms, 95), 1),
    }
