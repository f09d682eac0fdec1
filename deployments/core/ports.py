"""The seams between features. A feature implements one, another is given it by the wiring."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Protocol

from deployments.core.documents import Document, DocumentDraft, Ingested, Retrieval, SearchQuery
from deployments.core.ids import CollectionName, DocId, Fingerprint, Scope, SegmentKey, TenantId
from deployments.core.ledger import Answer, PromptTokens
from deployments.core.messages import (
    CacheStats,
    CacheUsage,
    CountBatch,
    Delta,
    EngineInfo,
    GenerateRequest,
    HotPath,
    Question,
    ResolvedSegments,
    Warmed,
)
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.core.segments import PlainText, ScaffoldText
from deployments.core.ticket_image import ImageText
from deployments.core.token_ids import TokenIds


class TextEncoder(Protocol):
    """A tokenizer, as the rest sees it."""

    @property
    def fingerprint(self) -> Fingerprint:
        """Of vocabulary, merges, added tokens, normalizer and chat template."""

    def encode_text(self, text: str) -> TokenIds:
        """Ids of untrusted text: never a control id, whatever the text spells."""

    def encode_prompt(self, pieces: Sequence[ScaffoldText | PlainText]) -> TokenIds:
        """Ids of scaffold and texts; control tokens come from the scaffold pieces only.

        Neighbouring plain runs are encoded together, as the tokenizer would encode them whole.
        """

    def decode(self, ids: TokenIds) -> str:
        """Text of ids, control tokens shown."""


class SegmentStore(Protocol):
    """Encoded segments by key, shared by all replicas (L2). Values are opaque bytes.

    Every method raises CacheUnavailable, and nothing else, when the store can't be used.
    """

    async def get_many(self, scope: Scope, keys: Sequence[SegmentKey]) -> list[bytes | None]:
        """Values in the order of `keys`; None where there is none or the entry is no string."""

    async def put_many(self, scope: Scope, values: Mapping[SegmentKey, bytes], ttl_s: int) -> None:
        """Stores values that expire after `ttl_s` seconds."""

    async def delete_many(self, scope: Scope, keys: Sequence[SegmentKey]) -> int:
        """Deletes entries of any type; returns how many there were."""

    async def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Deletes a tenant's entries (of one collection, or all); returns the exact count."""

    async def usage(self, scope: Scope) -> CacheUsage:
        """What a scope's entries hold now, measured by walking them."""

    async def ping(self) -> None:
        """Returns when the store answers."""

    async def close(self) -> None:
        """Releases connections."""


class CounterStore(Protocol):
    """Cluster-wide counters, and popularity of segments, without expiry and bounded by their own code.

    Raises CacheUnavailable when the store can't be used.
    """

    async def record(self, scope: Scope, batch: CountBatch) -> dict[str, float]:
        """Adds a batch to a scope's counters and segments' popularity; returns all counters.

        Once only: a batch that failed may have been counted all the same, and is to be sent again as it
        was, before its writer's next one. Of segments the most used ones are kept; an empty batch reads.
        """

    async def reset(self, scope: Scope) -> None:
        """Sets a scope's counters to nothing."""

    async def popularity(self, scope: Scope) -> dict[SegmentKey, int]:
        """Uses by segment, the most used ones."""


class SegmentResolver(Protocol):
    """Segments' texts to ids: L1, then the shared store, then the tokenizer.

    It never fails for the cache's sake.
    """

    async def resolve(self, scope: Scope, texts: Sequence[str]) -> ResolvedSegments:
        """Ids in the order of `texts`."""

    def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Empties this process's L1 for a tenant; returns how many segments it held."""


class SegmentTokenizer(Protocol):
    """The TokenCache deployment: tokenizes what is in no cache, once for the cluster, and writes it."""

    async def tokenize(self, scope: Scope, texts: Sequence[str]) -> list[bytes]:
        """Ids of each text as little-endian 32-bit bytes."""


class SegmentWriter(Protocol):
    """The TokenCache deployment, as those who change documents see it."""

    async def write_through(self, scope: Scope, texts: Sequence[str]) -> int:
        """Stores the ids of segments before they are first asked for; returns how many ids."""

    async def invalidate(self, scope: Scope, texts: Sequence[str]) -> int:
        """Deletes segments that no document has any more; returns how many were there."""

    async def discard(self, scope: Scope, texts: Sequence[str]) -> int:
        """Deletes segments; returns how many were there, exactly. Raises CacheUnavailable."""

    async def replace(self, scope: Scope, successors: Mapping[str, str]) -> None:
        """Tells which segment, by its text, has taken another's place."""


class Retriever(Protocol):
    """Knowledge, as an agent sees it. Raises KnowledgeUnavailable."""

    async def search(self, query: SearchQuery) -> Retrieval:
        """The passages above the retrieval threshold, best first."""


class DocumentLibrary(Protocol):
    """Knowledge, as those who put documents in see it."""

    async def put(self, scope: Scope, draft: DocumentDraft) -> Ingested:
        """Stores a document or a new version of it.

        Raises UnprocessableDocument, UnsupportedMediaType, InvalidRequest (title too long).
        """

    async def get(self, scope: Scope, doc_id: DocId) -> Document:
        """Raises NotFound."""

    async def delete(self, scope: Scope, doc_id: DocId) -> Ingested:
        """Raises NotFound."""

    async def list(self, scope: Scope, limit: int, after: DocId | None) -> tuple[Document, ...]:
        """Documents by id, those behind `after`."""


class Generator(Protocol):
    """An engine. Raises EngineUnavailable, DeadlineExceeded, InvalidRequest."""

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """Streams an answer. Closing the iterator aborts the generation in the engine."""

    async def describe(self) -> EngineInfo:
        """What runs there. Raises EngineUnavailable until it is ready."""


class ResidencySource(Protocol):
    """The engine's replicas, as those who choose between them see them."""

    async def survey(self, salt: str, known: Sequence[Known]) -> Sequence[ResidencyUpdate | None]:
        """What each running replica holds for a tenant beyond what is known; None from one that is too
        busy to answer in time. Raises EngineUnavailable."""


class HotPaths(Protocol):
    """How the cluster's prompts begin: the paths of document segments asked for most, newer ones first.

    Raises CacheUnavailable when the store can't be used.
    """

    async def record(self, paths: Mapping[Scope, Sequence[tuple[SegmentKey, ...]]]) -> None:
        """Counts prompts, each by its documents' segments in the order in which it had them."""

    async def hottest(self, limit: int, tenant: TenantId | None = None) -> list[HotPath]:
        """At most `limit` paths, hottest first, of one tenant or all."""

    async def replace(self, scope: Scope, successors: Mapping[SegmentKey, SegmentKey]) -> None:
        """Lets the successors of segments that are no more inherit their paths."""


class PromptWarmer(Protocol):
    """Prefills prompts before they are asked for."""

    async def warm(self, scope: Scope) -> Warmed:
        """What is asked for most in a scope, in every engine replica. Raises Unavailable."""


class Rag(Protocol):
    """Retrieval-augmented generation over one agent's collection, as the agent sees it."""

    async def generate_with_rag(self, question: Question) -> Answer:
        """The complete answer. Raises what `stream` raises."""

    def stream(self, question: Question) -> AsyncGenerator[Delta | Answer, None]:
        """Deltas, then the answer. Raises PromptTooLong, DeadlineExceeded, Unavailable."""

    async def retrieve_tokens(self, question: Question) -> PromptTokens:
        """The prompt that the question would be answered with. Raises what `stream` raises."""

    async def get_cache_stats(self, scope: Scope) -> CacheStats:
        """Cluster-wide figures, measured now. Raises CacheUnavailable."""

    async def reset_stats(self, scope: Scope) -> None:
        """Starts the counters anew. Raises CacheUnavailable."""

    def clear_local(self, scope: Scope) -> int:
        """Empties this process's L1 for a scope; returns how many segments it held."""

    async def prefill(self, question: Question) -> Warmed:
        """Prefills the question's prompt, and answers nothing. Raises what `stream` raises."""

    async def warm(self, scope: Scope) -> Warmed:
        """Prefills what is asked for most, in every engine replica. Raises Unavailable."""


class TextReader(Protocol):
    """Reads the text in images (OCR)."""

    async def read(self, image: bytes) -> ImageText:
        """The lines of an image whose type and size have been checked, in reading order.

        Raises UnprocessableDocument (damaged), Overloaded, Unavailable, InternalFault.
        """
