"""A client of what the support agent does besides answering."""

from __future__ import annotations

from typing import Any

from deployments.core.documents import Retrieval
from deployments.core.ids import TenantId
from deployments.core.support_report import SupportReport
from deployments.core.ticket_image import TicketImage
from serve_app.handles.errors import translated
from serve_app.handles.tickets import TicketsHandle


class SupportHandle(TicketsHandle):
    """Implements the API's `SupportDesk`."""

    def __init__(self, handle: Any) -> None:
        super().__init__("the support agent", handle)

    async def generate_support_report(
        self, tenant: TenantId, start_date: str, end_date: str
    ) -> SupportReport:
        """See `SupportDesk`."""
        call = self._handle.generate_support_report
        with translated(self._part):
            report: SupportReport = await call.remote(tenant, start_date, end_date)
            return report

    async def search_knowledge_base(
        self, tenant: TenantId, query: str, category: str | None, top_k: int
    ) -> Retrieval:
        """See `SupportDesk`."""
        call = self._handle.search_knowledge_base
        with translated(self._part):
            found: Retrieval = await call.remote(tenant, query, category, top_k)
            return found

    async def process_ticket_image(
        self, image: bytes, media_type: str | None, expected_issues: list[str] | None
    ) -> TicketImage:
        """See `SupportDesk`."""
        call = self._handle.process_ticket_image
        with translated(self._part):
            read: TicketImage = await call.remote(image, media_type, expected_issues)
            return read
