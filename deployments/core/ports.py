"""Interfaces between features. One feature implements a Protocol; wiring gives it to another."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, MutableMapping, Sequence
from typing import Protocol

from deployments.core.cache_figures import CacheStats, CacheUsage, MeasuredUsage
from deployments.core.cache_history import ReuseCounts
from deployments.core.counted_use import CountBatch, HotPath
from deployments.core.document_labels import EVERY_DOCUMENT, DocumentFilter
from deployments.core.documents import Document, DocumentDraft, Ingested, Retrieval, SearchQuery
from deployments.core.ids import CollectionName, DocId, Fingerprint, Scope, SegmentKey, TenantId
from deployments.core.ledger import Answer, PromptTokens
from deployments.core.messages import (
    Delta,
    EngineInfo,
    GenerateRequest,
    Question,
    ResolvedSegments,
    Warmed,
)
from deployments.core.replica import repeatable
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.core.segments import PlainText, ScaffoldText
from deployments.core.ticket_image import ImageText
from deployments.core.token_ids import TokenIds


class TextEncoder(Protocol):
    """A tokenizer that keeps control tokens out of untrusted text."""

    @property
    def fingerprint(self) -> Fingerprint:
        """Hash over vocabulary, merges, added tokens, normalizer and chat template."""

    @property
    def control_ids(self) -> Mapping[str, int]:
        """Ids of the tokens that only a scaffold may contain, by the text that spells them."""

    def encode_text(self, text: str) -> TokenIds:
        """Ids of untrusted text. None is a control id, whatever the text spells."""

    def encode_prompt(
        self, pieces: Sequence[ScaffoldText | PlainText], known: MutableMapping[str, TokenIds] | None = None
    ) -> TokenIds:
        """Ids of scaffold and texts; control tokens come from the scaffold pieces only.

        What is between two control tokens is encoded as one text, as the tokenizer would encode it in the
        whole. `known` has such texts' ids from earlier calls, and gets those of new ones.
        """

    def decode(self, ids: TokenIds) -> str:
        """Text of ids, with control tokens spelled out."""


class SegmentStore(Protocol):
    """Encoded segments by key, shared by all replicas (L2). Values are opaque bytes.

    Every method raises CacheUnavailable, and nothing else, when the store can't be used.
    """

    async def get_many(self, scope: Scope, keys: Sequence[SegmentKey]) -> list[bytes | None]:
        """Values in the order of `keys`; None for a missing entry and for one that is not a string."""

    async def put_many(self, scope: Scope, values: Mapping[SegmentKey, bytes], ttl_s: int) -> None:
        """Stores values that expire after `ttl_s` seconds."""

    async def delete_many(self, scope: Scope, keys: Sequence[SegmentKey]) -> int:
        """Deletes entries of any type; returns how many existed."""

    async def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Deletes a tenant's entries (of one collection, or all); returns the exact count."""

    async def usage_by_scope(self) -> dict[str, CacheUsage]:
        """Sizes of all scopes' entries, measured by walking them; a scope without entries has no row."""

    async def ping(self) -> None:
        """Returns when the store answers."""

    async def close(self) -> None:
        """Releases connections."""


class UsageMeter(Protocol):
    """What segments occupy in the shared store. Raises CacheUnavailable."""

    async def known(self, scope: Scope) -> MeasuredUsage | None:
        """The last result for a scope; None if there is none."""

    async def fresh(self, scope: Scope) -> MeasuredUsage | None:
        """As `known`, measured again if that is allowed now and does not take long."""


class CounterStore(Protocol):
    """Cluster-wide counters and popularity of segments; the store bounds their size.

    Raises CacheUnavailable when the store can't be used.
    """

    async def record(self, scope: Scope, batch: CountBatch) -> dict[str, float]:
        """Adds a batch to a scope's counters and segments' popularity; returns all counters.

        A batch is counted once, however often it is sent. A call that failed may have counted it, so
        its writer sends it again unchanged before the next one. Only the most used segments are kept.
        An empty batch changes nothing.
        """

    async def reset(self, scope: Scope) -> None:
        """Deletes a scope's counters."""

    async def popularity(self, scope: Scope) -> dict[SegmentKey, int]:
        """Number of uses, by segment, of the most used ones."""


class HistoryWriter(Protocol):
    """The shared history of what answers reused; each scope takes the same few bytes."""

    async def add(self, counts: Mapping[Scope, ReuseCounts]) -> None:
        """Adds counts to the present step of each span. Raises CacheUnavailable."""


class SegmentResolver(Protocol):
    """Token ids of segments: from L1, else the shared store, else the tokenizer.

    A failure of a cache never makes a call fail.
    """

    async def resolve(self, scope: Scope, texts: Sequence[str]) -> ResolvedSegments:
        """Ids in the order of `texts`."""

    def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Empties this process's L1 for a tenant; returns how many segments it held."""


class SegmentTokenizer(Protocol):
    """The TokenCache deployment: tokenizes uncached segments once for the cluster and stores the ids."""

    @repeatable
    async def tokenize(self, scope: Scope, texts: Sequence[str]) -> list[bytes]:
        """Ids of each text as little-endian 32-bit bytes."""


class SegmentWriter(Protocol):
    """The TokenCache deployment, for services that change documents."""

    @repeatable
    async def write_through(self, scope: Scope, texts: Sequence[str]) -> int:
        """Tokenizes and stores segments before the first question needs them; returns how many ids."""

    async def invalidate(self, scope: Scope, texts: Sequence[str], generation: int) -> int:
        """Deletes what a change has made useless: segments that no document has any more, and retrievals from
        before the collection's `generation`. Returns how many segments existed.
        """

    async def discard(self, scope: Scope, texts: Sequence[str]) -> int:
        """Deletes segments; returns exactly how many existed. Raises CacheUnavailable."""

    @repeatable
    async def replace(self, scope: Scope, successors: Mapping[str, str]) -> None:
        """Records which segments replace others: `successors` maps an old text to the new one."""


class Retriever(Protocol):
    """Search in the knowledge base, for agents. Raises KnowledgeUnavailable."""

    @repeatable
    async def search(self, query: SearchQuery) -> Retrieval:
        """The passages above the retrieval threshold, best first."""


class DocumentLibrary(Protocol):
    """The documents of the knowledge base, for services that write them."""

    async def put(self, scope: Scope, draft: DocumentDraft, skip_equal: bool = False) -> Ingested:
        """Stores a document or a new version of it. With `skip_equal`, an upload that was stored before is
        recognised without reading it.

        Raises UnprocessableDocument, UnsupportedMediaType, InvalidRequest (title too long), Conflict (a
        quota of documents or bytes is used up).
        """

    @repeatable
    async def get(self, scope: Scope, doc_id: DocId) -> Document:
        """The document. Raises NotFound."""

    async def delete(self, scope: Scope, doc_id: DocId) -> Ingested:
        """Deletes a document. Raises NotFound."""

    @repeatable
    async def list(
        self, scope: Scope, limit: int, after: DocId | None, only: DocumentFilter = EVERY_DOCUMENT
    ) -> tuple[Document, ...]:
        """At most `limit` documents of `only` by id, those after the id `after`, without content and
        wordings.
        """


class Generator(Protocol):
    """An engine. Raises EngineUnavailable, DeadlineExceeded, InvalidRequest."""

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """Streams an answer. Closing the iterator aborts the generation in the engine."""

    async def describe(self) -> EngineInfo:
        """What the engine runs. Raises EngineUnavailable until it is ready."""


class ResidencySource(Protocol):
    """The caches of the engine's replicas, for agents, which choose between the replicas."""

    async def survey(
        self, known: Mapping[str, Sequence[Known]]
    ) -> Sequence[Mapping[str, ResidencyUpdate] | None]:
        """What each running replica holds for tenants, by salt, as changes after what is known of it.

        None from a replica that is too busy to answer in time. Raises EngineUnavailable.
        """


class HotPaths(Protocol):
    """The beginnings of prompts that are asked for most: paths of document segments. Recent use counts
    more.

    Raises CacheUnavailable when the store can't be used.
    """

    async def record(self, paths: Mapping[Scope, Sequence[tuple[SegmentKey, ...]]]) -> None:
        """Counts prompts. Each is given as its documents' segments in their order in the prompt."""

    async def hottest(self, limit: int, tenant: TenantId | None = None) -> list[HotPath]:
        """At most `limit` paths, hottest first, of one tenant or (None) of all."""

    async def replace(self, scope: Scope, successors: Mapping[SegmentKey, SegmentKey]) -> None:
        """Replaces segments in all paths: `successors` maps deleted segments to the new ones."""


class PromptWarmer(Protocol):
    """Prefills prompts before they are asked for."""

    async def warm(self, scope: Scope) -> Warmed:
        """Prefills what is asked for most in a scope, in every engine replica. Raises Unavailable."""


class Rag(Protocol):
    """Retrieval-augmented generation over one agent's collection."""

    async def generate_with_rag(self, question: Question) -> Answer:
        """The complete answer. Raises what `stream` raises."""

    def stream(self, question: Question) -> AsyncGenerator[Delta | Answer, None]:
        """Deltas, then the complete answer. Raises PromptTooLong, DeadlineExceeded, Unavailable; in a
        conversation also NotFound, InvalidRequest and Conflict.
        """

    async def retrieve_tokens(self, question: Question) -> PromptTokens:
        """The prompt that the question would be answered with. Raises what `stream` raises."""

    async def get_cache_stats(self, scope: Scope) -> CacheStats:
        """Cluster-wide figures, measured now. Raises CacheUnavailable."""

    async def reset_stats(self, scope: Scope) -> None:
        """Sets the counters to zero. Raises CacheUnavailable."""

    def clear_local(self, scope: Scope) -> int:
        """Empties this process's L1 for a scope; returns how many segments it held."""

    async def prefill(self, question: Question) -> Warmed:
        """Prefills the question's prompt without answering it. Raises what `stream` raises."""

    async def warm(self, scope: Scope) -> Warmed:
        """Prefills what is asked for most, in every engine replica. Raises Unavailable."""


class TextReader(Protocol):
    """Reads the text in images (OCR)."""

    async def read(self, image: bytes) -> ImageText:
        """The lines of an image whose type and size have been checked, in reading order.

        Raises UnprocessableDocument (damaged), Overloaded, Unavailable, InternalFault.
        """
