"""Logs one line for each answer, its fields as JSON: `[support] answer {"cache_hit": true, ...}`.

The line has no text of the question: logs are kept where no erasure reaches them.
"""

from __future__ import annotations

import json
import logging

from deployments.core.ledger import Answer
from deployments.core.messages import Question
from deployments.rag.question_log import QuestionLog

log = logging.getLogger("ray.serve")
"""The logger whose lines Serve writes to the replica's log file. Of others it shows warnings only."""


class AnswerLog:
    """Logs the answers of one agent. `questions` gets the questions' texts; None: nobody gets them."""

    def __init__(self, agent: str, questions: QuestionLog | None = None) -> None:
        self._agent = agent
        self._questions = questions

    def __call__(self, question: Question, answer: Answer) -> None:
        """Logs an answer. `latency_ms` counts from the request's arrival, `hit_rate` is in percent."""
        fields: dict[str, object] = {
            "request_id": answer.request_id,
            "tenant": question.scope.tenant,
            "cache_hit": answer.cache_hit,
            "hit_rate": round(answer.cache_stats.hit_rate, 1),
            "latency_ms": round(answer.latency_ms, 1),
            "context_tokens": answer.context_tokens,
            "query_tokens": answer.query_tokens,
            "answer_tokens": answer.answer_tokens,
            "kv_cached_tokens": answer.reuse.kv_cached_tokens,
            "answer": answer.reuse.answer,
            "finish_reason": answer.finish_reason,
        }
        log.info("[%s] answer %s", self._agent, json.dumps(fields))
        if self._questions is not None:
            asked = {"question": question.text, "searched_as": answer.searched_as}
            self._questions.add(
                question.scope.tenant, {"agent": self._agent, "request_id": answer.request_id, **asked}
            )
