"""An ingress replica's copy of tenants' limits, read again every few seconds while requests come.

Requests never wait for a reading but for the first one. While the database can't be read, the copy stays as
it is; without one, the defaults hold.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress

from deployments.core.errors import WarmlineError
from deployments.core.ids import TenantId
from deployments.core.quotas import RULES, Quota, QuotaDesk
from serve_app.refreshed_copy import RefreshedCopy

log = logging.getLogger(__name__)

FRESH_S = 2.0
"""Age from which the copy is read again. A changed limit holds everywhere about this much later."""
_OVERLAP_S = 60.0
"""A reading also asks for changes this much older than the last one, since clocks of replicas differ and
changes can be committed late."""
_FIRST_WAIT_S = 1.0


class StoredLimits:
    """Tenants' limits. `monotonic` gives the seconds of the copy's age."""

    def __init__(self, desk: QuotaDesk, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._desk = desk
        self._own: dict[tuple[TenantId, Quota], int] = {}
        self._since_s = 0.0
        self._copy = RefreshedCopy(self._read, monotonic)
        self._asked = False

    async def ready(self) -> None:
        """Starts a reading if one is due; waits for the first one, for a second at most."""
        self._copy.refresh(FRESH_S)
        if not self._asked:
            self._asked = True
            with suppress(TimeoutError, WarmlineError):
                await self._copy.at_most(FRESH_S, _FIRST_WAIT_S)

    def limit(self, tenant: TenantId, quota: Quota) -> int:
        """A tenant's limit, as far as the copy knows."""
        return self._own.get((tenant, quota), RULES[quota].default)

    async def _read(self) -> None:
        try:
            changes = await self._desk.limit_changes(self._since_s)
        except WarmlineError as error:
            log.warning("tenants' limits can't be read at the moment: %s", error)
            raise
        for change in changes:
            if change.limit is None:
                self._own.pop((change.tenant, change.quota), None)
            else:
                self._own[change.tenant, change.quota] = change.limit
            self._since_s = max(self._since_s, change.changed_at_s - _OVERLAP_S)
