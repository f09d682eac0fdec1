"""The client of the support agent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from deployments.agents.specs import SUPPORT
from deployments.core.limits import DEFAULT_TOP_K
from deployments.core.records.tickets import Priority, ResolutionType
from serve_app.client.agent import AgentClient, as_json, path_part
from serve_app.client.results import Filter, SupportAnswer
from serve_app.client.support_results import (
    Escalation,
    KnowledgeSearch,
    SupportReport,
    Ticket,
    TicketImage,
    TicketResponse,
)


class SupportAgent(AgentClient):
    """Answers questions from the support knowledge base, and works on tickets."""

    agent_name = SUPPORT.name

    def __init__(
        self,
        business_id: str = "default",
        enable_memory: bool = True,
        *,
        url: str | None = None,
        api_key: str | None = None,
    ) -> None:
        super().__init__(business_id, enable_memory, url=url, api_key=api_key)

    async def answer_support_query_cached(
        self,
        query: str,
        top_k: int = DEFAULT_TOP_K,
        max_tokens: int = SUPPORT.max_tokens,
        *,
        filter: Filter | None = None,
        doc_ids: Sequence[str] | None = None,
        conversation_id: str | None = None,
    ) -> SupportAnswer:
        """The answer to a question as `response`, with what it reused and how long it took."""
        answer: SupportAnswer = await self._connection.post(
            "/v1/support/answer",
            query=query,
            top_k=top_k,
            max_tokens=max_tokens,
            filter=filter,
            doc_ids=doc_ids,
            conversation_id=conversation_id,
        )
        return answer

    async def create_ticket(
        self, user_id: str, issue_description: str, priority: str = Priority.MEDIUM
    ) -> Ticket:
        """Opens a ticket and returns it. `priority` is low, medium, high or urgent."""
        ticket: Ticket = await self._connection.post(
            "/v1/support/tickets",
            user_id=user_id,
            issue_description=issue_description,
            priority=priority,
            enable_memory=self.enable_memory,
        )
        return ticket

    async def respond_to_ticket(
        self, ticket_id: str, response: str, resolution_type: str = ResolutionType.ANSWERED
    ) -> TicketResponse:
        """Answers the customer. Returns the `ticket` and, with memory, what helps with it: `memory_context`.

        `resolution_type` is answered, information_requested, workaround or resolved.
        """
        made: TicketResponse = await self._connection.post(
            f"/v1/support/tickets/{path_part(ticket_id)}/responses",
            response=response,
            resolution_type=resolution_type,
            enable_memory=self.enable_memory,
        )
        return made

    async def escalate_ticket(
        self, ticket_id: str, escalation_reason: str, escalation_team: str, new_priority: str | None = None
    ) -> Escalation:
        """Hands a ticket to another team, and returns the `ticket` with its old and new priority.

        Without `new_priority`, the priority rises by one level.
        """
        escalation: Escalation = await self._connection.post(
            f"/v1/support/tickets/{path_part(ticket_id)}/escalation",
            escalation_reason=escalation_reason,
            escalation_team=escalation_team,
            new_priority=new_priority,
        )
        return escalation

    async def search_knowledge_base(
        self,
        query: str,
        category: str | None = None,
        top_k: int = DEFAULT_TOP_K,
        *,
        filter: Filter | None = None,
        doc_ids: Sequence[str] | None = None,
    ) -> KnowledgeSearch:
        """The passages nearest to a query as `results`, from one category or all."""
        found: KnowledgeSearch = await self._connection.get(
            "/v1/support/search",
            query=query,
            category=category,
            top_k=top_k,
            filter=as_json(filter),
            doc_ids=doc_ids,
        )
        return found

    async def generate_support_report(self, start_date: str | date, end_date: str | date) -> SupportReport:
        """Figures of the tickets that were opened in a period, such as `tickets` and `sla_breach_rate`.

        Both ends are dates or times in ISO 8601; an end date includes its day.
        """
        report: SupportReport = await self._connection.get(
            "/v1/support/report", start=str(start_date), end=str(end_date)
        )
        return report

    async def process_ticket_image(
        self, image: bytes, expected_issues: Sequence[str] | None = None
    ) -> TicketImage:
        """The text in a PNG, JPEG or WebP as `compressed_markdown`, and which `expected_issues` it mentions.

        `image` is the content of the file. Raises TypeError on anything else: a path is never opened.
        """
        if not isinstance(image, bytes):
            raise TypeError(f"image must be the picture's bytes, not {type(image).__name__}")
        issues = None if expected_issues is None else list(expected_issues)
        read: TicketImage = await self._connection.request(
            "POST", "/v1/support/tickets/images", params={"expected_issues": issues}, content=image
        )
        return read
