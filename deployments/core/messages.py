"""Messages between deployments, and between features. Frozen and picklable; units are in the names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from deployments.core.conversations import Continuation
from deployments.core.document_labels import EVERY_DOCUMENT, DocumentFilter
from deployments.core.documents import Passage
from deployments.core.ids import Fingerprint, RequestId, Scope, SegmentKey, TenantId
from deployments.core.limits import DEFAULT_TOP_K
from deployments.core.reuse.eviction import EvictionPolicy
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.core.sampling import UNSHAPED, Sampling, Shaping
from deployments.core.time_spent import TimeSpent
from deployments.core.token_ids import TokenIds


class SegmentSource(StrEnum):
    """Where the token ids of one segment came from."""

    L1 = "l1"
    REDIS = "redis"
    TOKENIZED = "tokenized"


@dataclass(frozen=True, slots=True)
class ResolvedSegments:
    """Token ids of segments. The three tuples have the order of the texts asked for."""

    ids: tuple[TokenIds, ...]
    keys: tuple[SegmentKey, ...]
    sources: tuple[SegmentSource, ...]
    cache_error: str | None = None
    """Why the shared cache was bypassed; None if it was not, or was not needed."""


@dataclass(frozen=True, slots=True)
class ChatScaffold:
    """The pieces of the model's chat template between the contents; trusted text with control tokens.

    A conversation is `head` preamble+documents `to_user` question [`to_assistant` answer `next_user`
    question]... `to_generation`.
    """

    head: str
    to_user: str
    """A blank line if the template has no system role: the preamble is in the first user turn then."""
    to_assistant: str
    next_user: str
    to_generation: str


@dataclass(frozen=True, slots=True)
class TokenizerBundle:
    """Everything a replica needs to tokenize as all others do. It gets the bundle once, at its start."""

    tokenizer_json: str
    """The fast tokenizer's own serialisation."""
    scaffold: ChatScaffold
    fingerprint: Fingerprint
    vocab_size: int
    seam_failures: tuple[str, ...] = ()
    """Names of the hostile test cases in which joined segments differ from the tokenizer's encoding of
    the whole text; () for most tokenizers."""


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """One generation, as an agent asks the engine for it."""

    request_id: RequestId
    prompt: bytes
    """Token ids as little-endian 32-bit bytes (`token_ids.to_bytes`)."""
    sampling: Sampling
    cache_salt: str
    """Only requests with the same salt share KV blocks."""
    deadline_s: float
    """Time for the answer, counted from the call."""
    layout: bytes = b""
    """The segments that the prompt begins with, as `paths.pack_steps` writes them."""
    replicas: tuple[str, ...] = ()
    """Replicas to try, best first."""
    avoid: tuple[str, ...] = ()
    """Replicas that failed lately."""
    known: tuple[Known, ...] = ()
    """The versions up to which the caller knows the replicas' caches."""
    continued: bool = False
    """Whether a later prompt is expected to begin with this prompt and its answer, as in a conversation. The
    engine then keeps all of it as long as documents, otherwise only the segments of `layout`."""
    share_answer: bool = False
    """Whether the engine may return the answer of an equal request, complete or still running, instead
    of generating another one. For greedy sampling only."""
    sent: TimeSpent | None = None
    """When it was sent, so that the replica can subtract the time of transfer and in queues."""
    reader_s: float | None = None
    """Time that the first reader has, if the generation may outlive that reader; else None."""
    priority: int = 0
    """Requests with smaller numbers run first. The engine's replica sets it, so that tenants take turns."""

    def left(self, now_s: float) -> GenerateRequest:
        """This request with the rest of its deadline. `now_s` is a time of `time.monotonic`."""
        if self.sent is None:
            return self
        waited_s = self.sent.until(now_s, within_s=self.deadline_s)
        return replace(self, deadline_s=max(self.deadline_s - waited_s, 0.0))


@dataclass(frozen=True, slots=True)
class Delta:
    """A chunk of an answer. One delta can be both the first and the last."""

    text: str
    ids: bytes
    """The token ids that `text` was decoded from, as little-endian 32-bit bytes."""
    finish_reason: str | None = None
    """In the last delta: "stop" or "length"."""
    kv_cached_tokens: int | None = None
    """Prompt tokens that were in the engine's KV cache: in the first delta, or, of a remote server, in the
    last."""
    queue_ms: float | None = None
    """In the first delta."""
    prefill_ms: float | None = None
    """In the first delta."""
    decode_ms: float | None = None
    """In the last delta."""
    prompt_ids: bytes = b""
    """In an agent's first delta: the prompt's ids. An engine leaves them out; the agent has them."""
    residency: ResidencyUpdate | None = None
    """In an engine's first delta: what changed in its cache."""
    shared: str | None = None
    """In an engine's first delta, if the answer is another request's: "flight" if that one was still
    running, "kept" if it was complete."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine replica runs."""

    model: str
    max_model_len: int
    """Tokens."""
    block_size: int
    """Tokens."""
    kv_cache_tokens: int
    """Size of the KV cache."""
    eviction: EvictionPolicy = "lru"
    """Which blocks leave the KV cache first."""


@dataclass(frozen=True, slots=True)
class Warmed:
    """The result of warming an engine's cache."""

    prompts: int = 0
    """Prompts that are in the cache now."""
    prefilled_tokens: int = 0
    """Of their tokens, those that were computed."""
    cached_tokens: int = 0
    """Of their tokens, those that were cached before."""

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
    """"" if the assistant spoke first."""
    assistant: str
    """"" if the user wrote again before an answer."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question to a `TokenCachedRAG`: an `Ask` after checks and with the agent's defaults."""

    scope: Scope
    text: str
    top_k: int
    sampling: Sampling
    request_id: RequestId
    deadline_s: float
    section: str | None = None
    only: DocumentFilter = EVERY_DOCUMENT
    history: tuple[Turn, ...] = ()
    spent: TimeSpent | None = None
    passages: tuple[Passage, ...] | None = None
    """Passages to answer from, best first, instead of a search; () asks the model without any."""
    instructions: str = ""
    share_answer: bool | None = None
    answer_start: str = ""
    """As in `Ask`."""
    key_id: str = ""
    """The API key whose usage it is; "" for none."""
    continues: Continuation | None = None
    """As in `Ask`."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a caller asks an agent, before the agent applies its defaults and bounds.

    None means the agent's default.
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
    """Only documents of this section."""
    only: DocumentFilter = EVERY_DOCUMENT
    """Only these documents."""
    history: tuple[Turn, ...] = ()
    """Earlier turns, oldest first."""
    deadline_s: float = 120.0
    """Counted from the request's arrival."""
    spent: TimeSpent | None = None
    """Since the edge received the request; None if there was no edge."""
    instructions: str = ""
    """The caller's own instructions, which follow the documents in the prompt."""
    share_answer: bool | None = None
    """Whether an equal request's answer (same tenant, prompt ids, greedy sampling) may be returned."""
    ignore_eos: bool = False
    """As in `Sampling`."""
    json_schema: str | None = None
    """As in `Sampling`, within the limits of `agents.answer_schema`."""
    shaping: Shaping = UNSHAPED
    answer_start: str = ""
    """The beginning of the answer, which the model continues; the answer's text does not repeat it."""
    key_id: str = ""
    """The API key whose usage it is; "" for none."""
    continues: Continuation | None = None
    """The kept conversation that the question belongs to; None for none. `history` then has what the caller
    tells in addition to it."""
