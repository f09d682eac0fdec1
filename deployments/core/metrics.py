"""Every metric of the application, and the port through which code records them.

Names and units are Prometheus's; a counter's name gets `_total` when it is exported. What OpenTelemetry's
conventions for generative AI define has their names, labels and buckets (`gen_ai.*`, with `_` for dots).

A label has few values, and the application chooses all of them: agents, orders, templates of routes, codes
of errors. No label has a tenant, or anything else that a caller can choose freely.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol


class Kind(Enum):
    """What recording a value means."""

    COUNTER = auto()
    """Adds the value."""
    GAUGE = auto()
    """Sets the metric to the value."""
    HISTOGRAM = auto()
    """Counts the value in its bucket."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric. Each combination of its labels' values is a series of its own."""

    name: str
    """In Prometheus, with the unit at its end; of a counter without `_total`."""
    kind: Kind
    what: str
    """What it measures, for readers of dashboards."""
    labels: tuple[str, ...] = ()
    """All of them have to be given with each value."""
    buckets: tuple[float, ...] = ()
    """Upper limits of a histogram's buckets, ascending."""


class Meter(Protocol):
    """Where metrics are recorded. Recording never fails because of the receiver, and waits for nothing."""

    def record(self, metric: Metric, value: float = 1, /, **labels: str) -> None:
        """Records a value, as the metric's kind says. Adding 0 to a counter does nothing."""


class Silent:
    """A `Meter` that records nothing, for code that runs outside of the application."""

    def record(self, metric: Metric, value: float = 1, /, **labels: str) -> None:
        """Does nothing."""


SILENT = Silent()

_REQUEST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_STAGE_S = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_STORE_S = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1.0, 3.0, 10.0)
# OpenTelemetry's own buckets.
_GEN_AI_REQUEST_S = tuple(0.01 * 2**n for n in range(14))
_GEN_AI_FIRST_TOKEN_S = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08),
    *(0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
_GEN_AI_TOKEN_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
_GEN_AI_TOKENS = tuple(float(4**n) for n in range(14))


def _counter(name: str, what: str, *labels: str) -> Metric:
    return Metric(name, Kind.COUNTER, what, labels)


def _gauge(name: str, what: str, *labels: str) -> Metric:
    return Metric(name, Kind.GAUGE, what, labels)


def _histogram(name: str, what: str, *labels: str, buckets: tuple[float, ...]) -> Metric:
    return Metric(name, Kind.HISTOGRAM, what, labels, buckets)


# The HTTP API.
REQUESTS = _counter("warmline_http_requests", "HTTP requests by their answer", "method", "route", "status")
ERRORS = _counter(
    "warmline_http_errors",
    "HTTP requests that failed, by the error's code; streams that failed after their start are among them",
    "route",
    "error",
)
REQUEST_S = _histogram(
    "warmline_http_request_duration_seconds", "time to the response's end", "route", buckets=_REQUEST_S
)
DOCUMENT_CHANGES = _counter("warmline_document_changes", "documents stored or deleted", "collection")
INVALIDATED = _counter(
    "warmline_segments_invalidated", "segments that a change of documents made obsolete", "collection"
)
AGENTS_READ = _gauge(
    "warmline_metrics_agents", "nodes of the cluster, by whether their metrics could be read", "read"
)

# Answers, by their ledgers. OpenTelemetry's `request.model` is the agent: clients use its name as the model.
_GEN_AI = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
ANSWER_S = _histogram(
    "gen_ai_server_request_duration_seconds",
    "time from a request's arrival to its complete answer",
    *_GEN_AI,
    buckets=_GEN_AI_REQUEST_S,
)
FIRST_TOKEN_S = _histogram(
    "gen_ai_server_time_to_first_token_seconds",
    "time from a request's arrival to the first token",
    *_GEN_AI,
    buckets=_GEN_AI_FIRST_TOKEN_S,
)
TOKEN_S = _histogram(
    "gen_ai_server_time_per_output_token_seconds",
    "time of each token after the first, as the mean of an answer",
    *_GEN_AI,
    buckets=_GEN_AI_TOKEN_S,
)
TOKEN_USAGE = _histogram(
    "gen_ai_client_token_usage",
    "tokens of a prompt (input) or an answer (output)",
    *_GEN_AI,
    "gen_ai_token_type",
    buckets=_GEN_AI_TOKENS,
)
ANSWERS = _counter(
    "warmline_answers", "answers by how they were made", "agent", "order", "answer", "finish_reason"
)
STAGE_S = _histogram(
    "warmline_stage_duration_seconds",
    "time of a stage of answering, as in `timings_ms`",
    "agent",
    "stage",
    buckets=_STAGE_S,
)
SEGMENTS = _counter(
    "warmline_segments", "document segments in prompts, by where their ids came from", "agent", "source"
)
DOCUMENT_TOKENS = _counter(
    "warmline_document_tokens", "tokens of those segments, by where their ids came from", "agent", "source"
)
DROPPED = _counter("warmline_documents_dropped", "documents that did not fit whole into a prompt", "agent")
BYPASSED = _counter("warmline_cache_bypassed", "answers made without the shared token cache", "agent")
PROMPT_TOKENS = _counter("warmline_prompt_tokens", "prompt tokens sent to engines", "agent", "order")
KV_EXPECTED = _counter(
    "warmline_kv_tokens_expected",
    "prompt tokens that the agent expected in the chosen engine's KV cache",
    "agent",
    "order",
)
KV_FOUND = _counter(
    "warmline_kv_tokens_found", "prompt tokens that the engine found in its KV cache", "agent", "order"
)
MISSED = _counter(
    "warmline_missed_tokens", "document tokens that engines had to prefill, by cause", "agent", "cause"
)
ROUTED = _counter(
    "warmline_routed_prompts", "prompts by the engine that took them: the preferred one or not", "agent", "to"
)
RETRIES = _counter(
    "warmline_engine_retries", "prompts that were sent again, by the first call's error", "agent", "error"
)

# Each engine replica, by `EngineCounters`.
ENGINE_RUNNING = _gauge("warmline_engine_running_requests", "requests that are prefilled or decoded")
ENGINE_WAITING = _gauge("warmline_engine_waiting_requests", "requests that wait for a place or their turn")
ENGINE_PENDING = _gauge("warmline_engine_pending_tokens", "prompt tokens that wait to be prefilled")
ENGINE_PREFILL_RATE = _gauge(
    "warmline_engine_prefill_tokens_per_second", "prompt tokens that an engine prefills, as last measured"
)
ENGINE_KV_USAGE = _gauge("warmline_engine_kv_usage_ratio", "part of the KV cache that running requests hold")
ENGINE_BLOCKS = _gauge("warmline_engine_resident_blocks", "KV blocks in the engine's cache, by its events")
ENGINE_PATHS = _gauge("warmline_engine_resident_paths", "prefixes of prompts that those blocks belong to")
ENGINE_ESTIMATED = _gauge(
    "warmline_engine_residency_estimated",
    "1 while the engine's events are missing: its cache is estimated",
)
ENGINE_ADMITTED = _counter(
    "warmline_engine_admitted_requests", "requests that were let in and got a first token"
)
ENGINE_REFUSED = _counter(
    "warmline_engine_refused_requests", "requests refused because they would have waited too long"
)
ENGINE_RESTARTS = _counter("warmline_engine_restarts", "engines that a replica started after one had ended")
ENGINE_EVICTED = _counter("warmline_engine_evicted_blocks", "KV blocks that made room for others")
ENGINE_LOOKED_UP = _counter("warmline_engine_prefix_tokens_queried", "prompt tokens looked up in the cache")
ENGINE_HITS = _counter("warmline_engine_prefix_tokens_hit", "prompt tokens found in the cache")

# Caches and stores, in each process that uses them.
L1_EVICTED = _counter("warmline_l1_evicted_segments", "segments that L1 dropped to make room")
REDIS_S = _histogram(
    "warmline_redis_call_duration_seconds",
    "calls to Redis: ok, failed, refused by Redis, cancelled, or skipped because Redis had just failed",
    "outcome",
    buckets=_STORE_S,
)
DATABASE_S = _histogram(
    "warmline_database_transaction_duration_seconds",
    "transactions, with the wait for a connection: ok, failed, or rolled back by the application",
    "kind",
    "outcome",
    buckets=_STORE_S,
)

METRICS: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
"""All of the above."""
