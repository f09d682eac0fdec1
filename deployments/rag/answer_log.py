"""Logs one line for each answer: `[support] answer {"cache_hit": true, ...}`, or its fields alone."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict

from deployments.core.ledger import Answer
from deployments.core.messages import Question

log = logging.getLogger("ray.serve")
"""The logger whose lines Serve writes to the replica's log file."""


class AnswerLog:
    """Logs the answers of one agent. Only `with_questions` the lines contain the questions' texts."""

    def __init__(self, agent: str, *, with_questions: bool, as_fields: bool = False) -> None:
        """`as_fields`: the fields are attributes of the log record, for a formatter that writes JSON."""
        self._agent = agent
        self._with_questions = with_questions
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
            "reuse": asdict(answer.reuse),
            "timings_ms": dict(answer.timings_ms),
        }
        if self._with_questions:
            fields["question"] = question.text  # JSON escapes its line breaks
            fields["searched_as"] = answer.searched_as
        if self._as_fields:
            log.info("answer", extra={"agent": self._agent, **fields})
        else:
            log.info("[%s] answer %s", self._agent, json.dumps(fields))
