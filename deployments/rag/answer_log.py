"""Logs one line for each answer: `[support] answer {"cache_hit": true, ...}`, or its fields alone.

The line has no text of the question and no document's id: logs are kept where no erasure reaches them.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import asdict

from deployments.core.ledger import Answer, Reuse
from deployments.core.messages import Question
from deployments.rag.question_log import QuestionLog

log = logging.getLogger("ray.serve")
"""The logger whose lines Serve writes to the replica's log file."""


class AnswerLog:
    """Logs the answers of one agent. `questions` gets the questions' texts; None: nobody gets them."""

    def __init__(self, agent: str, questions: QuestionLog | None = None, *, as_fields: bool = False) -> None:
        """`as_fields`: the fields are attributes of the log record, for a formatter that writes JSON."""
        self._agent = agent
        self._questions = questions
        self._as_fields = as_fields

    def __call__(self, question: Question, answer: Answer) -> None:
        """Logs an answer. `latency_ms` counts from the request's arrival, `hit_rate` is in percent."""
        if not log.isEnabledFor(logging.INFO):
            return
        fields: dict[str, object] = {
            "request_id": answer.request_id,
            "tenant": question.scope.tenant,
            "cache_hit": answer.cache_hit,
            "hit_rate": round(answer.cache_stats.hit_rate, 1),
            "latency_ms": round(answer.latency_ms, 1),
            "context_tokens": answer.context_tokens,
            "query_tokens": answer.query_tokens,
            "answer_tokens": answer.answer_tokens,
            "finish_reason": answer.finish_reason,
            "reuse": _figures(answer.reuse),
            "timings_ms": dict(answer.timings_ms),
        }
        if self._as_fields:
            log.info("answer", extra={"agent": self._agent, **fields})
        else:
            log.info("[%s] answer %s", self._agent, json.dumps(fields))
        if self._questions is not None:
            asked = {"question": question.text, "searched_as": answer.searched_as}
            self._questions.add(
                question.scope.tenant, {"agent": self._agent, "request_id": answer.request_id, **asked}
            )


def _figures(reuse: Reuse) -> dict[str, object]:
    """A ledger without the documents' ids: how many were left out, and tokens prefilled by cause."""
    missed: Counter[str] = Counter()
    for miss in reuse.missed:
        missed[miss.cause] += miss.tokens
    figures = {name: value for name, value in asdict(reuse).items() if name != "passages"}
    return figures | {"dropped": len(reuse.dropped), "missed": dict(missed)}
