"""Logs one line for each answer, its fields as JSON: `[support] answer {"cache_hit": true, ...}`."""

from __future__ import annotations

import json
import logging

from deployments.core.ledger import Answer
from deployments.core.messages import Question

log = logging.getLogger("ray.serve")
"""The logger whose lines Serve writes to the replica's log file. Of others it shows warnings only."""


class AnswerLog:
    """Logs the answers of one agent. Only `with_questions` the lines contain the questions' texts."""

    def __init__(self, agent: str, *, with_questions: bool) -> None:
        self._agent = agent
        self._with_questions = with_questions

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
        if self._with_questions:
            fields["question"] = question.text  # JSON escapes its line breaks
            fields["searched_as"] = answer.searched_as
        log.info("[%s] answer %s", self._agent, json.dumps(fields))
