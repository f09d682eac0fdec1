"""A client of the records that the Knowledge deployment keeps."""

from __future__ import annotations

from typing import Any

from deployments.core.idempotency import Claim, RepeatableCall
from deployments.core.ids import TenantId
from deployments.core.support_report import Period, SupportReport
from serve_app.handles.errors import translated
from serve_app.handles.tickets import TicketsHandle


class RecordsHandle(TicketsHandle):
    """Implements `TicketDesk` and `IdempotencyKeys`."""

    def __init__(self, handle: Any) -> None:
        super().__init__("the knowledge base", handle)

    async def support_report(self, tenant: TenantId, period: Period) -> SupportReport:
        """See `TicketDesk`."""
        with translated(self._part):
            report: SupportReport = await self._handle.support_report.remote(tenant, period)
            return report

    async def claim(self, call: RepeatableCall) -> Claim:
        """See `IdempotencyKeys`."""
        with translated(self._part):
            claim: Claim = await self._handle.claim.remote(call)
            return claim

    async def keep(self, call: RepeatableCall, response: str) -> None:
        """See `IdempotencyKeys`."""
        with translated(self._part):
            await self._handle.keep.remote(call, response)

    async def release(self, call: RepeatableCall) -> None:
        """See `IdempotencyKeys`."""
        with translated(self._part):
            await self._handle.release.remote(call)
