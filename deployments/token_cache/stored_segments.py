"""Reading segments from the shared store, without damaged entries."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

from deployments.core.errors import CacheUnavailable
from deployments.core.ids import Scope, SegmentKey
from deployments.core.ports import SegmentStore
from deployments.core.token_ids import TokenIds
from deployments.token_cache.codec import CorruptEntry, decode

log = logging.getLogger(__name__)


async def stored_segments(
    store: SegmentStore, scope: Scope, keys: Sequence[SegmentKey], *, seal: bytes = b""
) -> tuple[dict[SegmentKey, TokenIds], int]:
    """Returns the ids of the keys that the store has, and how many damaged entries it found.

    Entries that were written with another seal count as damaged. Deletes the damaged entries. Raises
    CacheUnavailable.
    """
    found: dict[SegmentKey, TokenIds] = {}
    damaged: list[SegmentKey] = []
    for key, raw in zip(keys, await store.get_many(scope, keys), strict=True):
        if raw is None:
            continue
        try:
            found[key] = decode(raw, key, seal)
        except CorruptEntry as error:
            log.warning("a damaged cache entry of %s is computed again: %s", scope, error)
            damaged.append(key)
    if damaged:
        with suppress(CacheUnavailable):  # the other entries are good, and the next reader deletes it
            await store.delete_many(scope, damaged)
    return found, len(damaged)
