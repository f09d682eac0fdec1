"""The first level of the cache: the retrievals that this process used last, within a number of bytes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import astuple, dataclass
from operator import attrgetter

from deployments.core.byte_lru import ByteLru
from deployments.core.documents import Retrieval, SearchQuery
from deployments.core.ids import CollectionName, Scope, TenantId

_OVERHEAD_BYTES = 600
"""What an entry takes besides its texts: query, objects and its place in the ordered dict."""


@dataclass(slots=True)
class CachedRetrieval:
    """An entry of the cache."""

    retrieval: Retrieval
    used_s: float
    """When it was last used, by the clock of the cache's owner."""
    size_bytes: int
    """Bytes of the entry, with its query."""


class RetrievalLru:
    """Retrievals by query. The least recently used are dropped first. Each counts only in its own state."""

    def __init__(self, max_bytes: int) -> None:
        self._entries: ByteLru[SearchQuery, CachedRetrieval] = ByteLru(max_bytes, attrgetter("size_bytes"))

    @property
    def bytes_used(self) -> int:
        """The size of all entries; never more than `max_bytes`."""
        return self._entries.bytes_used

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, query: SearchQuery, state: str) -> CachedRetrieval | None:
        """The entry for a query in this state, and makes it the most recently used; None if there is none."""
        found = self._entries.peek(query)
        if found is None or found.retrieval.state != state:
            return None
        return self._entries.get(query)

    def put(self, query: SearchQuery, retrieval: Retrieval, now_s: float) -> None:
        """Keeps a retrieval, in place of one for the same query. One larger than `max_bytes` is not kept."""
        self._entries.put(query, CachedRetrieval(retrieval, now_s, _size(query, retrieval)))

    def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Drops a tenant's retrievals, of one collection or all; returns how many there were."""
        return self.forget(lambda scope: scope.tenant == tenant and collection in (None, scope.collection))

    def forget(self, matches: Callable[[Scope], bool]) -> int:
        """Drops the retrievals of the scopes that match; returns how many there were."""
        return self._entries.drop_where(lambda query: matches(query.scope))


def _size(query: SearchQuery, retrieval: Retrieval) -> int:
    values = [value for passage in retrieval.passages for value in astuple(passage)]
    values += [query.text, query.only.canonical(), *query.talk, retrieval.searched_as]
    return _OVERHEAD_BYTES + sum(map(sys.getsizeof, values))
