"""What the span of an agent's call says about the answer: the ledger, and attributes of generative AI."""

from __future__ import annotations

from collections.abc import Callable

from deployments.core.ledger import Answer
from deployments.core.messages import Question
from serve_app.tracing import spans


def answer_span(agent: str) -> Callable[[Question, Answer], None]:
    """What an agent calls with each answer: it describes the current span, which is the agent's call."""

    def describe(question: Question, answer: Answer) -> None:
        if (span := spans.recorded()) is not None:
            reuse = answer.reuse
            span.set_attributes(
                {
                    "gen_ai.operation.name": "invoke_agent",
                    "gen_ai.agent.name": agent,
                    "gen_ai.response.finish_reasons": [answer.finish_reason],
                    "warmline.request_id": question.request_id,
                    "warmline.cache_hit": answer.cache_hit,
                    "warmline.segments": reuse.segments,
                    "warmline.segments.l1": reuse.l1,
                    "warmline.segments.redis": reuse.redis,
                    "warmline.segments.tokenized": reuse.tokenized,
                    "warmline.prompt_tokens": reuse.prompt_tokens,
                    "warmline.kv_cached_tokens": reuse.kv_cached_tokens,
                    "warmline.order": reuse.order,
                    "warmline.answer": reuse.answer,
                }
            )

    return describe
