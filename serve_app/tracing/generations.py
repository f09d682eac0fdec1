"""What the span of an engine's call says about the generation, with a part for each stage of it.

vLLM can make a span of its own with the same times, `llm_request`, but none of an aborted generation and none
of a stage, and it would need a second exporter in the replica.
"""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.trace import Span

from deployments.core.messages import Delta, GenerateRequest
from deployments.core.token_ids import count_in
from deployments.engine.service import Watch
from serve_app.tracing import spans


def generation_spans(model: str) -> Watch:
    """How an engine of `model` describes generations: the current span, and a part of it for each stage."""

    def watch(request: GenerateRequest) -> Callable[[Delta], None] | None:
        span = spans.recorded()
        return None if span is None else _Generation(span, model, request).add

    return watch


class _Generation:
    """Describes the span of one generation."""

    def __init__(self, span: Span, model: str, request: GenerateRequest) -> None:
        self._span = span
        self._output_tokens = 0
        sampling = request.sampling
        span.set_attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "vllm",
                "gen_ai.request.model": model,
                "gen_ai.request.max_tokens": sampling.max_tokens,
                "gen_ai.request.temperature": sampling.temperature,
                "gen_ai.request.top_p": sampling.top_p,
                "gen_ai.usage.input_tokens": count_in(request.prompt),
                "warmline.request_id": request.request_id,
            }
        )

    def add(self, delta: Delta) -> None:
        """Adds the stages that ended with a delta, and after the last delta what was generated."""
        spans.add_ended(_stages(delta))
        self._output_tokens += count_in(delta.ids)
        if delta.kv_cached_tokens is not None:
            self._span.set_attribute("gen_ai.usage.cache_read.input_tokens", delta.kv_cached_tokens)
        if delta.finish_reason is not None:
            self._span.set_attribute("gen_ai.usage.output_tokens", self._output_tokens)
            self._span.set_attribute("gen_ai.response.finish_reasons", [delta.finish_reason])


def _stages(delta: Delta) -> list[tuple[str, float]]:
    measured = (("queue", delta.queue_ms), ("prefill", delta.prefill_ms), ("decode", delta.decode_ms))
    return [(stage, took_ms) for stage, took_ms in measured if took_ms is not None]
