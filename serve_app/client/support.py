"""The support agent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from deployments.agents.specs import SUPPORT
from deployments.core.limits import DEFAULT_TOP_K
from serve_app.client.agent import AgentClient, Body, path_part


class SupportAgent(AgentClient):
    """Answers from the support knowledge base, and works on tickets."""

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
        self, query: str, top_k: int = DEFAULT_TOP_K, max_tokens: int = SUPPORT.max_tokens
    ) -> Body:
        """The answer as `response`, with what it reused and took; see `SupportAnswer`."""
        return await self._post("/v1/support/answer", query=query, top_k=top_k, max_tokens=max_tokens)

    async def create_ticket(self, user_id: str, issue_description: str, priority: str = "medium") -> Body:
        """Opens a ticket; `priority` is low, medium, high or urgent. See `TicketBody`."""
        return await self._post(
            "/v1/support/tickets",
            user_id=user_id,
            issue_description=issue_description,
            priority=priority,
            enable_memory=self.enable_memory,
        )

    async def respond_to_ticket(
        self, ticket_id: str, response: str, resolution_type: str = "answered"
    ) -> Body:
        """Answers the customer; with memory, tells as `memory_context` what helps. See `ResponseBody`."""
        return await self._post(
            f"/v1/support/tickets/{path_part(ticket_id)}/responses",
            response=response,
            resolution_type=resolution_type,
            enable_memory=self.enable_memory,
        )

    async def escalate_ticket(
        self, ticket_id: str, escalation_reason: str, escalation_team: str, new_priority: str | None = None
    ) -> Body:
        """Hands a ticket to another team, one priority higher unless `new_priority` says more."""
        return await self._post(
            f"/v1/support/tickets/{path_part(ticket_id)}/escalation",
            escalation_reason=escalation_reason,
            escalation_team=escalation_team,
            new_priority=new_priority,
        )

    async def search_knowledge_base(
        self, query: str, category: str | None = None, top_k: int = DEFAULT_TOP_K
    ) -> Body:
        """The passages nearest to a query, of one category or all; see `KnowledgeSearchBody`."""
        return await self._get("/v1/support/search", query=query, category=category, top_k=top_k)

    async def generate_support_report(self, start_date: str | date, end_date: str | date) -> Body:
        """Figures of the tickets opened in a period: dates or moments, ISO 8601; see `SupportReportBody`."""
        return await self._get("/v1/support/report", start=str(start_date), end=str(end_date))

    async def process_ticket_image(self, image: bytes, expected_issues: Sequence[str] | None = None) -> Body:
        """The text in a PNG, JPEG or WebP, given as its bytes; see `TicketImageBody`.

        Raises TypeError on anything else: a path is never opened.
        """
        if not isinstance(image, bytes):
            raise TypeError(f"image must be the picture's bytes, not {type(image).__name__}")
        issues = None if expected_issues is None else list(expected_issues)
        read: Body = await self._transport.call(
            "POST", "/v1/support/tickets/images", params={"expected_issues": issues}, content=image
        )
        return read
