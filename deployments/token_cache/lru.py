"""L1: the ids of the segments that this process used last, limited by their bytes."""

from __future__ import annotations

from collections.abc import Callable

from deployments.core.byte_lru import ByteLru
from deployments.core.ids import CollectionName, Scope, SegmentKey, TenantId
from deployments.core.metrics import L1_EVICTED, SILENT, Meter
from deployments.core.token_ids import TokenIds

ENTRY_OVERHEAD_BYTES = 400
"""What an entry takes in addition to its ids: key, tuple, array object, place in the ordered dict."""


class SegmentLru:
    """Segments by scope and key. The least recently used ones are dropped first. For one event loop.

    Arrays are kept and returned without a copy, so callers must not change them.
    """

    def __init__(self, max_bytes: int, meter: Meter = SILENT) -> None:
        self._meter = meter
        self._segments: ByteLru[tuple[Scope, SegmentKey], TokenIds] = ByteLru(max_bytes, _size)

    @property
    def bytes_used(self) -> int:
        """The size of all segments; never more than `max_bytes`."""
        return self._segments.bytes_used

    def __len__(self) -> int:
        """The number of segments."""
        return len(self._segments)

    def get(self, scope: Scope, key: SegmentKey) -> TokenIds | None:
        """Returns a segment's ids and makes it the most recently used; None if it is not here."""
        return self._segments.get((scope, key))

    def put(self, scope: Scope, key: SegmentKey, ids: TokenIds) -> None:
        """Keeps a segment. One that alone is larger than `max_bytes` is not kept."""
        self._meter.record(L1_EVICTED, self._segments.put((scope, key), ids))

    def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Drops a tenant's segments, of one collection or all; returns how many there were."""
        return self.forget(lambda scope: scope.tenant == tenant and collection in (None, scope.collection))

    def forget(self, matches: Callable[[Scope], bool]) -> int:
        """Drops the segments of the scopes that match; returns how many there were."""
        return self._segments.drop_where(lambda name: matches(name[0]))


def _size(ids: TokenIds) -> int:
    return len(ids) * ids.itemsize + ENTRY_OVERHEAD_BYTES
