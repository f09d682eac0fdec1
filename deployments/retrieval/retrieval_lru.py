"""The first level of the cache: this process's most recently used retrievals, limited in bytes."""

from __future__ import annotations

import sys
from collections import OrderedDict
from dataclasses import astuple, dataclass

from deployments.core.documents import Retrieval, SearchQuery
from deployments.core.ids import CollectionName, TenantId

_OVERHEAD_BYTES = 600
"""Bytes of an entry besides its texts: query, objects and its slot in the ordered dict."""


@dataclass(slots=True)
class CachedRetrieval:
    """An entry of the cache."""

    retrieval: Retrieval
    used_s: float
    """When it was last used, by the clock of the cache's owner."""


class RetrievalLru:
    """Retrievals by query, each for one state of its collection. Drops the least recently used first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes_used = 0
        self._entries: OrderedDict[SearchQuery, tuple[CachedRetrieval, int]] = OrderedDict()

    @property
    def bytes_used(self) -> int:
        """The estimated size of all entries; never more than `max_bytes`."""
        return self._bytes_used

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, query: SearchQuery, state: str) -> CachedRetrieval | None:
        """The entry for a query in this state, if there is one; it becomes the most recently used."""
        found = self._entries.get(query)
        if found is None or found[0].retrieval.state != state:
            return None
        self._entries.move_to_end(query)
        return found[0]

    def put(self, query: SearchQuery, retrieval: Retrieval, now_s: float) -> None:
        """Replaces the query's entry. Does not keep a retrieval that is larger than `max_bytes`."""
        self._drop(query)
        cost = _cost(query, retrieval)
        if cost > self._max_bytes:
            return
        self._entries[query] = (CachedRetrieval(retrieval, now_s), cost)
        self._bytes_used += cost
        while self._bytes_used > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Drops a tenant's retrievals, of one collection or all; returns their number."""
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
