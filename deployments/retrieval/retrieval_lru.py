"""The first level: what this process retrieved last, bounded by the bytes it takes."""

from __future__ import annotations

import sys
from collections import OrderedDict
from dataclasses import astuple, dataclass

from deployments.core.documents import Retrieval, SearchQuery
from deployments.core.ids import CollectionName, TenantId

_OVERHEAD_BYTES = 600
"""What an entry costs beside its texts: query, objects and its place in the ordered dict."""


@dataclass(slots=True)
class CachedRetrieval:
    """A retrieval and when it was last used."""

    retrieval: Retrieval
    used_s: float


class RetrievalLru:
    """By query; least recently used ones go first. A retrieval counts only in the state it has itself."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes_used = 0
        self._entries: OrderedDict[SearchQuery, tuple[CachedRetrieval, int]] = OrderedDict()

    @property
    def bytes_used(self) -> int:
        """Never more than `max_bytes`."""
        return self._bytes_used

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, query: SearchQuery, state: str) -> CachedRetrieval | None:
        """What is kept of a query in this state, now the most recently used."""
        found = self._entries.get(query)
        if found is None or found[0].retrieval.state != state:
            return None
        self._entries.move_to_end(query)
        return found[0]

    def put(self, query: SearchQuery, retrieval: Retrieval, now_s: float) -> None:
        """Keeps a retrieval instead of one in another state; one larger than all is not kept."""
        self._drop(query)
        cost = _cost(query, retrieval)
        if cost > self._max_bytes:
            return
        self._entries[query] = (CachedRetrieval(retrieval, now_s), cost)
        self._bytes_used += cost
        while self._bytes_used > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Drops a tenant's retrievals, of one collection or all; returns how many there were."""
        doomed = [
            query
            for query in self._entries
            if query.scope.tenant == tenant and collection in (None, query.scope.collection)
        ]
        for query in doomed:
            self._drop(query)
        return len(doomed)

    def _drop(self, query: SearchQuery) -> None:
        _, cost = self._entries.pop(query, (None, 0))
        self._bytes_used -= cost


def _cost(query: SearchQuery, retrieval: Retrieval) -> int:
    values = [query.text, *(value for passage in retrieval.passages for value in astuple(passage))]
    return _OVERHEAD_BYTES + sum(map(sys.getsizeof, values))
