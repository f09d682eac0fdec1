"""Search for those who keep what was found: with leases, and news of changes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

from deployments.core.documents import SearchQuery
from deployments.core.ids import Scope
from deployments.core.leases import LEASE_S, HolderId, Lease, LeasedRetrieval
from deployments.knowledge.search import HybridSearch
from deployments.retrieval.lease_granting import Leases


class LeasedSearch:
    """Implements `LeasingKnowledge`. Nothing that waits stands between a grant and the answer."""

    def __init__(self, search: HybridSearch, leases: Leases) -> None:
        self._search = search
        self._leases = leases

    async def leased_search(self, holder: HolderId, query: SearchQuery) -> LeasedRetrieval:
        """See `LeasingKnowledge`."""
        table = self._leases.table
        with table.reading(query.scope) as reading:
            found = await self._search.search(query)
            granted = table.grant(reading, query.scope, holder, found.generation)
        return LeasedRetrieval(found, LEASE_S if granted else 0.0)

    async def watch(self, holder: HolderId, known: Mapping[Scope, int]) -> dict[Scope, Lease]:
        """See `LeasingKnowledge`."""
        table = self._leases.table
        self._leases.acknowledge(holder, known)
        if all(generation >= 0 for generation in known.values()):
            await self._leases.news(holder)
        scopes = known.keys() | table.behind(holder)
        renewed: dict[Scope, Lease] = {}
        with ExitStack() as readings:
            reading_of = {scope: readings.enter_context(table.reading(scope)) for scope in scopes}
            for scope, (generation, state) in (await self._search.states(scopes)).items():
                granted = table.grant(reading_of[scope], scope, holder, generation)
                renewed[scope] = Lease(generation, state, LEASE_S if granted else 0.0)
        return renewed
