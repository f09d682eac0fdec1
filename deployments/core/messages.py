"""What travels between deployments. Frozen and picklable; units are in the names."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from deployments.core.ids import (
    CollectionName,
    DocId,
    Fingerprint,
    RequestId,
    Scope,
    SegmentKey,
    TenantId,
)
from deployments.core.limits import DEFAULT_TOP_K
from deployments.core.segments import document_segment
from deployments.core.token_ids import TokenIds


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """One retrieval. `section` filters inside the query, so `top_k` passages of that section come back."""

    scope: Scope
    text: str
    top_k: int
    section: str | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """One chunk of a document as retrieval found it, best first in a `Retrieval`.

    `score` is the fused rank score (reciprocal rank fusion), `similarity` the cosine with the question:
    None while the index is rebuilt for another embedding model, when full text alone decides.
    """

    doc_id: DocId
    title: str
    heading: str
    section: str | None
    version: int
    ordinal: int
    body: str
    score: float
    similarity: float | None

    @property
    def segment(self) -> str:
        """The text of this passage's segment; see `core.segments`."""
        return document_segment(self.title, self.heading, self.body)


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Passages above the retrieval threshold, and the collection's generation they were read at."""

    passages: tuple[Passage, ...]
    generation: int


@dataclass(frozen=True, slots=True)
class TextHit:
    """A document that full text search found, by its best chunk. `snippet` is where the body matches.

    `score` is comparable within one search only.
    """

    doc_id: DocId
    title: str
    heading: str
    section: str | None
    version: int
    score: float
    snippet: str


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
    """How to sample. `temperature` 0 is greedy."""

    max_tokens: int
    temperature: float
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """One generation. `prompt` is ids as little-endian 32-bit bytes (`token_ids.to_bytes`)."""

    request_id: RequestId
    prompt: bytes
    sampling: Sampling
    cache_salt: str
    deadline_s: float


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer: its text and the ids (little-endian 32-bit bytes) it was decoded from.

    The first delta carries `kv_cached_tokens`, `queue_ms` and `prefill_ms`; the last carries
    `finish_reason` ("stop" or "length") and `decode_ms`. One delta can be both.
    """

    text: str
    ids: bytes
    finish_reason: str | None = None
    kv_cached_tokens: int | None = None
    queue_ms: float | None = None
    prefill_ms: float | None = None
    decode_ms: float | None = None


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine replica runs. `block_size` and `max_model_len` in tokens."""

    model: str
    max_model_len: int
    block_size: int
    kv_cache_tokens: int


@dataclass(frozen=True, slots=True)
class Document:
    """A stored document. `content` is its text as Markdown; times are Unix seconds."""

    scope: Scope
    doc_id: DocId
    title: str
    section: str | None
    content: str
    version: int
    chunks: int
    created_at_s: float
    updated_at_s: float


@dataclass(frozen=True, slots=True)
class DocumentDraft:
    """A document to store: raw bytes of `media_type`; an empty title is taken from the document."""

    doc_id: DocId
    title: str
    section: str | None
    media_type: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Ingested:
    """What storing or deleting a document did: `kept` chunks are unchanged and so stay cached."""

    doc_id: DocId
    version: int
    chunks: int
    kept: int
    invalidated: int
    generation: int
    tokens_written: int = 0


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
class AgentSpec:
    """What makes an agent this agent.

    `max_context_tokens` bounds its documents, `preamble` opens its prompts, `no_context` is what it says
    when nothing was found to answer from.
    """

    name: str
    collection: CollectionName
    ttl_s: int
    max_context_tokens: int
    temperature: float
    max_tokens: int
    preamble: str
    no_context: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier turn of a conversation: the user's text and the assistant's answer."""

    user: str
    assistant: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question to a `TokenCachedRAG`, checked and complete; see `Ask`."""

    scope: Scope
    text: str
    top_k: int
    sampling: Sampling
    request_id: RequestId
    deadline_s: float
    section: str | None = None
    history: tuple[Turn, ...] = ()
    arrived_unix_s: float | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """What a caller asks an agent, before the agent's own defaults and bounds are applied.

    None means the agent's default. `deadline_s` runs from the call; `arrived_unix_s` is when the edge
    received the request.
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
