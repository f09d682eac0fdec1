"""The support agent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.agents.cached_agent import CachedAgent
from deployments.agents.periods import period_of
from deployments.agents.ticket_image import TicketImageReader
from deployments.core.agent_spec import AgentSpec
from deployments.core.documents import Retrieval, SearchQuery
from deployments.core.errors import InvalidRequest
from deployments.core.ids import TenantId
from deployments.core.ledger import Answer
from deployments.core.limits import DEFAULT_TOP_K, MAX_QUERY_CHARS, MAX_TOP_K
from deployments.core.messages import Ask
from deployments.core.ports import Rag, Retriever
from deployments.core.record_ports import TicketDesk
from deployments.core.support_report import SupportReport
from deployments.core.texts import check_text
from deployments.core.ticket_image import TicketImage
from deployments.core.tickets import (
    Ticket,
    TicketChange,
    TicketDraft,
    TicketHistory,
    TicketOutcome,
    TicketQuery,
)

MAX_CATEGORY_CHARS = 100


@dataclass(frozen=True, slots=True)
class SupportTools:
    """What the support agent works with besides its answers."""

    desk: TicketDesk
    retriever: Retriever
    images: TicketImageReader


class SupportService(CachedAgent):
    """Answers customers' questions from the support knowledge base, and works on their tickets."""

    def __init__(self, spec: AgentSpec, rag: Rag, tools: SupportTools) -> None:
        super().__init__(spec, rag)
        self._desk = tools.desk
        self._retriever = tools.retriever
        self._images = tools.images

    async def answer_support_query_cached(self, ask: Ask) -> Answer:
        """The seed's name of `answer`."""
        return await self.answer(ask)

    async def create_ticket(self, tenant: TenantId, draft: TicketDraft, token: str | None = None) -> Ticket:
        """See `TicketDesk`."""
        return await self._desk.create_ticket(tenant, draft, token)

    async def change_ticket(self, tenant: TenantId, ticket_id: str, change: TicketChange) -> TicketOutcome:
        """Responds, escalates, resolves, reopens, closes or rates; see `TicketDesk`."""
        return await self._desk.change_ticket(tenant, ticket_id, change)

    async def get_ticket(self, tenant: TenantId, ticket_id: str) -> TicketHistory:
        """See `TicketDesk`."""
        return await self._desk.get_ticket(tenant, ticket_id)

    async def list_tickets(self, query: TicketQuery) -> tuple[Ticket, ...]:
        """See `TicketDesk`."""
        return await self._desk.list_tickets(query)

    async def generate_support_report(
        self, tenant: TenantId, start_date: str, end_date: str
    ) -> SupportReport:
        """Figures of the tickets opened from a date to another; see `period_of`. Raises: InvalidRequest."""
        return await self._desk.support_report(tenant, period_of(start_date, end_date))

    async def search_knowledge_base(
        self, tenant: TenantId, query: str, category: str | None = None, top_k: int = DEFAULT_TOP_K
    ) -> Retrieval:
        """The passages nearest to the query; a `category` is a section of documents, and only its
        passages count. Raises: InvalidRequest, KnowledgeUnavailable.
        """
        check_text(query, "query", MAX_QUERY_CHARS)
        if category is not None:
            check_text(category, "category", MAX_CATEGORY_CHARS)
        if not 1 <= top_k <= MAX_TOP_K:
            raise InvalidRequest(f"top_k must be 1 to {MAX_TOP_K}", "top_k")
        return await self._retriever.search(SearchQuery(self.scope(tenant), query, top_k, category))

    async def process_ticket_image(
        self, image: bytes, media_type: str | None = None, expected_issues: Sequence[str] | None = None
    ) -> TicketImage:
        """See `TicketImageReader.process`."""
        return await self._images.process(image, media_type, expected_issues)
