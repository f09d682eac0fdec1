"""The first level: ids of the segments this process used last, bounded by the bytes they take."""

from __future__ import annotations

from collections import OrderedDict

from deployments.core.ids import CollectionName, Scope, SegmentKey, TenantId
from deployments.core.token_ids import TokenIds

ENTRY_OVERHEAD_BYTES = 400
"""What an entry costs beside its ids: key, tuple, array object and its places in the ordered dict."""


class SegmentLru:
    """Least recently used segments go first. For one event loop: it has no lock and needs none.

    Arrays are kept and handed out without a copy, so whoever gets one must not change it.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes_used = 0
        self._entries: OrderedDict[tuple[Scope, SegmentKey], TokenIds] = OrderedDict()

    @property
    def bytes_used(self) -> int:
        """Never more than `max_bytes`."""
        return self._bytes_used

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, scope: Scope, key: SegmentKey) -> TokenIds | None:
        """The segment's ids, now the most recently used; None when they are not here."""
        ids = self._entries.get((scope, key))
        if ids is not None:
            self._entries.move_to_end((scope, key))
        return ids

    def put(self, scope: Scope, key: SegmentKey, ids: TokenIds) -> None:
        """Keeps a segment, at the cost of those not used for longest; one larger than all is not kept."""
        self._drop((scope, key))
        if _cost(ids) > self._max_bytes:
            return
        self._entries[(scope, key)] = ids
        self._bytes_used += _cost(ids)
        while self._bytes_used > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Drops a tenant's segments, of one collection or all; returns how many there were."""
        doomed = [
            (scope, key)
            for scope, key in self._entries
            if scope.tenant == tenant and collection in (None, scope.collection)
        ]
        for name in doomed:
            self._drop(name)
        return len(doomed)

    def _drop(self, name: tuple[Scope, SegmentKey]) -> None:
        ids = self._entries.pop(name, None)
        if ids is not None:
            self._bytes_used -= _cost(ids)


def _cost(ids: TokenIds) -> int:
    return len(ids) * ids.itemsize + ENTRY_OVERHEAD_BYTES
