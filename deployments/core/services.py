"""What each deployment serves: the definitions of all remote calls.

`serve_app.remote.client_of` makes a client of such a Protocol, `core.replica.serving` offers a service
by it. Each call can also raise Overloaded, and Unavailable if the deployment can't be reached.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Protocol

from deployments.core.access import KeyDesk
from deployments.core.cache_figures import CacheStats
from deployments.core.cache_history import CacheHistory
from deployments.core.conversations import ConversationDesk
from deployments.core.erasure import ErasureDesk
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.leases import LeasingKnowledge
from deployments.core.ledger import Answer, PromptTokens
from deployments.core.library_ports import PassageReader, VersionedLibrary
from deployments.core.messages import Ask, Delta, EngineInfo, GenerateRequest, TokenizerBundle, Warmed
from deployments.core.ports import Retriever, SegmentTokenizer, SegmentWriter
from deployments.core.quotas import QuotaDesk, StoredAmounts
from deployments.core.records.ideas import IdeaBatch, IdeaRequest, IdeaResult
from deployments.core.records.ports import BusinessMemory, IdempotencyKeys, TicketDesk
from deployments.core.records.templates import BusinessType
from deployments.core.replica import every_replica, repeatable
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.core.ticket_image import TicketImage
from deployments.core.usage import UsageDesk
from deployments.core.writing import WritingOrder, WrittenDocument


class Agent(Protocol):
    """Every agent's deployment."""

    @repeatable
    async def answer(self, ask: Ask) -> Answer:
        """The complete answer. Its turn is stored then, if the question belongs to a conversation.

        Raises InvalidRequest, PromptTooLong, DeadlineExceeded, Unavailable; in a conversation also NotFound
        and Conflict (another question was answered in it meanwhile).
        """

    @repeatable
    def stream(self, ask: Ask) -> AsyncGenerator[Delta | Answer, None]:
        """Deltas, then the complete answer. Closing the generator ends the generation.

        Raises as `answer` does.
        """

    @repeatable
    async def retrieve_tokens(self, ask: Ask) -> PromptTokens:
        """The token ids of the question's prompt, without an answer. Raises as `answer` does."""

    @repeatable
    async def cache_stats(self, tenant: TenantId) -> CacheStats:
        """Figures of the tenant's part of the agent's cache, cluster-wide. Raises CacheUnavailable."""

    @repeatable
    async def reset_stats(self, tenant: TenantId) -> None:
        """Sets the tenant's counters of the agent to zero. Raises CacheUnavailable."""

    @repeatable
    async def warm(self, tenant: TenantId, asks: Sequence[Ask]) -> Warmed:
        """Prefills the prompts of `asks`, or else the tenant's hottest paths, in every engine replica.

        Raises as `answer` does.
        """

    @every_replica
    async def clear_local(self, tenant: TenantId) -> None:
        """Empties the tenant's part of L1."""


class TicketImages(Protocol):
    """The reader of customers' pictures, in the support agent's deployment."""

    @repeatable
    async def process_ticket_image(
        self, image: bytes, media_type: str | None, expected_issues: Sequence[str] | None
    ) -> TicketImage:
        """The text in a picture, and which of the expected issues it mentions.

        `media_type` is the declared one. Raises UnsupportedMediaType, PayloadTooLarge,
        UnprocessableDocument.
        """


class IdeaGeneration(Protocol):
    """The generator of ideas, in the business agent's deployment. Raises as `Agent.answer` does."""

    async def generate_idea_with_memory(self, request: IdeaRequest) -> IdeaResult:
        """A new idea with its scores."""

    async def generate_batch_with_memory(
        self, request: IdeaRequest, count: int, business_types: Sequence[BusinessType]
    ) -> IdeaBatch:
        """`count` ideas that differ from each other, best first, of the given types in turn."""


class DocumentationWriter(Protocol):
    """The writer of documents, in the documentation agent's deployment."""

    async def generate_documentation(self, order: WritingOrder) -> WrittenDocument:
        """Has the model write a document from source code and specifications, both whole, and stores it.

        Raises InvalidRequest, PromptTooLong (naming the longest text), UnprocessableDocument (the model
        wrote nothing), DeadlineExceeded, Unavailable.
        """


class TokenCache(SegmentTokenizer, SegmentWriter, Protocol):
    """The TokenCache deployment."""

    @repeatable
    async def bundle(self) -> TokenizerBundle:
        """What a replica needs to tokenize as all others do."""

    async def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Deletes the tenant's segments and retrievals, of one collection or all; returns the exact
        count of segments. Raises CacheUnavailable.
        """


class ReuseHistory(Protocol):
    """The history of what answers reused, in the TokenCache deployment."""

    @repeatable
    async def history(self, scope: Scope) -> CacheHistory:
        """A scope's last hour and day, cluster-wide. Raises CacheUnavailable."""


class KnowledgeBase(Retriever, LeasingKnowledge, PassageReader, VersionedLibrary, Protocol):
    """The documents, in the Knowledge deployment."""

    @repeatable
    async def status(self) -> dict[str, str]:
        """The state of the index, by name, after a probe of the database: cheap at any size.

        Raises KnowledgeUnavailable.
        """


class Records(
    TicketDesk,
    ConversationDesk,
    IdempotencyKeys,
    BusinessMemory,
    KeyDesk,
    QuotaDesk,
    StoredAmounts,
    UsageDesk,
    ErasureDesk,
    Protocol,
):
    """Tickets, conversations, templates, ideas, idempotency keys, API keys, limits, amounts of what is
    stored, usage and erasures, in the Knowledge deployment.
    """


class EngineReplica(Protocol):
    """A replica of the Engine deployment. `serve_app.engine.handle` calls one replica or all of them."""

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """Streams an answer. Closing it aborts the generation.

        Raises EngineUnavailable, DeadlineExceeded, InvalidRequest.
        """

    async def describe(self) -> EngineInfo:
        """What the replica runs. Raises EngineUnavailable until it is ready."""

    async def survey(self, known: Mapping[str, Sequence[Known]]) -> dict[str, ResidencyUpdate]:
        """What this replica holds for tenants, by salt, as changes after what is known of it.

        Empty when the engine is not available, so that no caller prefers the replica.
        """

    async def warm(self, salt: str, prompts: Sequence[tuple[bytes, bytes]], within_s: float) -> Warmed:
        """Prefills a tenant's prompts, each given as ids and layout, for at most `within_s` seconds.

        Raises EngineUnavailable.
        """
