"""What travels between deployments. Frozen and picklable; units are in the names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from deployments.core.documents import Passage
from deployments.core.ids import (
    Fingerprint,
    RequestId,
    Scope,
    SegmentKey,
    TenantId,
)
from deployments.core.limits import DEFAULT_TOP_K
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.core.token_ids import TokenIds


class SegmentSource(StrEnum):
    """Where the ids of one segment came from."""

    L1 = "l1"
    REDIS = "redis"
    TOKENIZED = "tokenized"


@dataclass(frozen=True, slots=True)
class ResolvedSegments:
    """Ids of segments in the order asked for, their keys, and where each came from.

    `cache_error` says why the shared cache was bypassed; None when it was not, or was not needed.
    """

    ids: tuple[TokenIds, ...]
    keys: tuple[SegmentKey, ...]
    sources: tuple[SegmentSource, ...]
    cache_error: str | None = None


@dataclass(frozen=True, slots=True)
class ChatScaffold:
    """The model's chat template cut at its contents; each piece is trusted text with control tokens.

    A conversation is `head` preamble+documents `to_user` question [`to_assistant` answer `next_user`
    question]... `to_generation`. Where a template has no system role, the preamble stands in the
    first user turn and `to_user` is a blank line.
    """

    head: str
    to_user: str
    to_assistant: str
    next_user: str
    to_generation: str


@dataclass(frozen=True, slots=True)
class TokenizerBundle:
    """Everything a replica needs to tokenize as all others do: sent once, at its start.

    `tokenizer_json` is the fast tokenizer's own serialisation. `seam_failures` names the hostile cases
    for which joined segments differ from the tokenizer's encoding of the whole text (none for most).
    """

    tokenizer_json: str
    scaffold: ChatScaffold
    fingerprint: Fingerprint
    vocab_size: int
    seam_failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to sample. `temperature` 0 is greedy.

    With a `json_schema` (as JSON) only tokens are sampled that keep the answer within it; an answer cut
    off by `max_tokens` is still no whole JSON. `ignore_eos` goes on to `max_tokens` behind the model's
    own end.
    """

    max_tokens: int
    temperature: float
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    json_schema: str | None = None
    ignore_eos: bool = False


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """One generation. `prompt` is ids as little-endian 32-bit bytes (`token_ids.to_bytes`).

    `layout` names the segments that the prompt begins with (`paths.pack_steps`), `replicas` those to
    try, best first, `avoid` those that failed lately, and `known` how far the caller knows their
    caches. With `share_answer` an equal request's answer, complete or under way, may be given instead
    of another; for greedy sampling only. `deadline_s` runs from the call; what is behind the call's way
    and its waiting for a replica knows by `until_unix_s` what is left. `reader_s` is how long its first
    reader has where a generation may outlive that one.
    """

    request_id: RequestId
    prompt: bytes
    sampling: Sampling
    cache_salt: str
    deadline_s: float
    layout: bytes = b""
    replicas: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    known: tuple[Known, ...] = ()
    share_answer: bool = False
    until_unix_s: float | None = None
    reader_s: float | None = None

    def left(self, now_unix_s: float) -> GenerateRequest:
        """With the time that is left of its deadline. Clocks may differ: it is never more than that
        was.
        """
        if self.until_unix_s is None:
            return self
        return replace(self, deadline_s=min(self.deadline_s, max(self.until_unix_s - now_unix_s, 0.0)))


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer: its text and the ids (little-endian 32-bit bytes) it was decoded from.

    The first delta carries `kv_cached_tokens`, `queue_ms` and `prefill_ms`; the last carries
    `finish_reason` ("stop" or "length") and `decode_ms`. One delta can be both. `prompt_ids`, the
    prompt's ids, are in an agent's first delta; an engine leaves them out, since they came from there.
    An engine's first delta tells what changed in its cache (`residency`), and whether the answer is
    another request's: `shared` "flight" for one under way, "kept" for a complete one.
    """

    text: str
    ids: bytes
    finish_reason: str | None = None
    kv_cached_tokens: int | None = None
    queue_ms: float | None = None
    prefill_ms: float | None = None
    decode_ms: float | None = None
    prompt_ids: bytes = b""
    residency: ResidencyUpdate | None = None
    shared: str | None = None


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine replica runs. `block_size` and `max_model_len` in tokens."""

    model: str
    max_model_len: int
    block_size: int
    kv_cache_tokens: int


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Cluster-wide counters of one tenant's agent (the seed's `TokenCacheStats`).

    `hit_rate` is percent of document segments, `request_hit_rate` percent of prompts whose segments
    all hit. Latencies are means from the question to its prompt's ids. `total_tokens_cached` and
    `cache_size_mb` are what Redis holds now, measured `measured_s_ago` seconds ago.
    """

    cache_hits: int = 0
    cache_misses: int = 0
    hit_rate: float = 0.0
    request_hit_rate: float = 0.0
    total_tokens_cached: int = 0
    cache_size_mb: float = 0.0
    avg_hit_latency_ms: float = 0.0
    avg_miss_latency_ms: float = 0.0
    measured_s_ago: float | None = None


@dataclass(frozen=True, slots=True)
class CacheUsage:
    """What one scope's segments occupy in the shared store: entries, token ids, bytes of values."""

    entries: int
    tokens: int
    value_bytes: int


@dataclass(frozen=True, slots=True)
class CountBatch:
    """What a writer has counted, sent as it is until the store has it. A writer's numbers grow, from
    1.
    """

    writer: str
    number: int
    increments: Mapping[str, float]
    uses: Mapping[SegmentKey, int]


@dataclass(frozen=True, slots=True)
class HotPath:
    """How many prompts of a scope begin: these documents' segments, in order. `heat` only compares."""

    scope: Scope
    keys: tuple[SegmentKey, ...]
    heat: float


@dataclass(frozen=True, slots=True)
class Warmed:
    """Prompts that lie in an engine's cache now; of their tokens, how many were computed and found
    there.
    """

    prompts: int = 0
    prefilled_tokens: int = 0
    cached_tokens: int = 0

    def __add__(self, other: Warmed) -> Warmed:
        return Warmed(
            self.prompts + other.prompts,
            self.prefilled_tokens + other.prefilled_tokens,
            self.cached_tokens + other.cached_tokens,
        )


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier turn of a conversation: the user's text and the assistant's answer."""

    user: str
    assistant: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question to a `TokenCachedRAG`, checked and complete; see `Ask`, also for what None stands for.

    `passages`, best first, are what to answer from instead of a search; () asks the model without any.
    """

    scope: Scope
    text: str
    top_k: int
    sampling: Sampling
    request_id: RequestId
    deadline_s: float
    section: str | None = None
    history: tuple[Turn, ...] = ()
    arrived_unix_s: float | None = None
    passages: tuple[Passage, ...] | None = None
    instructions: str = ""
    share_answer: bool | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """What a caller asks an agent, before the agent's own defaults and bounds are applied.

    None means the agent's default. `deadline_s` runs from the call; `arrived_unix_s` is when the edge
    received the request. `instructions` are the caller's own, which the model reads behind the
    documents. `share_answer` allows the answer of an equal request (same tenant, prompt ids and
    sampling, greedy) to be given again. `ignore_eos` is `Sampling`'s.
    """

    tenant: TenantId
    query: str
    request_id: RequestId
    top_k: int = DEFAULT_TOP_K
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    section: str | None = None
    history: tuple[Turn, ...] = ()
    deadline_s: float = 120.0
    arrived_unix_s: float | None = None
    instructions: str = ""
    share_answer: bool | None = None
    ignore_eos: bool = False
