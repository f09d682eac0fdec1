"""Records an agent's answers, from their ledgers, as metrics."""

from __future__ import annotations

from collections import Counter

from deployments.core import metrics
from deployments.core.errors import EngineUnavailable, Overloaded
from deployments.core.ledger import STAGES, Answer
from deployments.core.metrics import Meter
from deployments.rag.preparing import PreparedPrompt
from deployments.rag.selecting import Selection

PROVIDER = "warmline"
"""The provider's name in OpenTelemetry's labels."""


class AnswerMetrics:
    """Records the answers of one agent to `meter`."""

    def __init__(self, agent: str, meter: Meter) -> None:
        self._meter = meter
        self._agent = {"agent": agent}
        self._gen_ai = {
            "gen_ai_operation_name": "chat",
            "gen_ai_provider_name": PROVIDER,
            "gen_ai_request_model": agent,
        }

    def answered(self, answer: Answer, prompt: PreparedPrompt) -> None:
        """Records a complete answer and the prompt that it was made from."""
        reuse = answer.reuse
        self._meter.record(
            metrics.ANSWERS,
            order=reuse.order,
            answer=reuse.answer,
            finish_reason=answer.finish_reason,
            **self._agent,
        )
        self._times(answer)
        self._documents(prompt.selection)
        for miss in reuse.missed:
            self._meter.record(metrics.MISSED, miss.tokens, cause=miss.cause, **self._agent)
        self._meter.record(metrics.BYPASSED, 0 if answer.cache_available else 1, **self._agent)
        if reuse.answer == "generated":  # others are not prefilled
            labels = {"order": reuse.order, **self._agent}
            self._meter.record(metrics.PROMPT_TOKENS, reuse.prompt_tokens, **labels)
            self._meter.record(metrics.KV_EXPECTED, prompt.placing.cached_tokens, **labels)
            self._meter.record(metrics.KV_FOUND, reuse.kv_cached_tokens, **labels)

    def routed(self, preferred: str | None, replica: str) -> None:
        """Records which engine replica took a prompt. `preferred` is None where the agent knew none."""
        to = "preferred" if replica == preferred else "other"
        self._meter.record(metrics.ROUTED, to="unknown" if preferred is None else to, **self._agent)

    def retried(self, error: EngineUnavailable | Overloaded) -> None:
        """Records that a prompt is sent again after `error`."""
        self._meter.record(metrics.RETRIES, error=error.code, **self._agent)

    def _times(self, answer: Answer) -> None:
        seconds = {name: value_ms / 1000 for name, value_ms in answer.timings_ms.items()}
        for stage in STAGES:
            self._meter.record(metrics.STAGE_S, seconds[stage], stage=stage, **self._agent)
        self._meter.record(metrics.ANSWER_S, seconds["total"], **self._gen_ai)
        if not answer.answer_tokens:
            return
        self._meter.record(metrics.FIRST_TOKEN_S, seconds["ttft"], **self._gen_ai)
        if answer.answer_tokens > 1:
            each_s = seconds["decode"] / (answer.answer_tokens - 1)
            self._meter.record(metrics.TOKEN_S, each_s, **self._gen_ai)
        for kind, tokens in (("input", answer.reuse.prompt_tokens), ("output", answer.answer_tokens)):
            self._meter.record(metrics.TOKEN_USAGE, tokens, gen_ai_token_type=kind, **self._gen_ai)

    def _documents(self, selection: Selection) -> None:
        tokens: Counter[str] = Counter()
        for source, ids in zip(selection.sources, selection.documents, strict=True):
            tokens[source.value] += len(ids)
        for name, segments in Counter(source.value for source in selection.sources).items():
            self._meter.record(metrics.SEGMENTS, segments, source=name, **self._agent)
            self._meter.record(metrics.DOCUMENT_TOKENS, tokens[name], source=name, **self._agent)
        self._meter.record(metrics.DROPPED, len(selection.dropped), **self._agent)
