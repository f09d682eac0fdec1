"""An ingress replica's copy of the stored API keys, which is never older than it may be.

Requests read the copy, and its age decides what else happens:

- up to `FRESH_S`: nothing;
- older: the copy is read again, while this request uses the present one;
- older than `MAX_AGE_S`: the request waits for the reading.

So a key that was revoked is refused everywhere `MAX_AGE_S` later, and without requests nothing is read.
A reading brings only what changed since the last one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from deployments.core.access import USE_PRECISION_S, KeyChanges, KeyDesk, KeyRecord
from deployments.core.errors import Unavailable
from serve_app.refreshed_copy import RefreshedCopy

FRESH_S = 0.5
"""Age from which the copy is read again."""
MAX_AGE_S = 1.5
"""Age from which the copy is not used."""
NEW_KEY_S = 0.25
"""An unknown key can be a new one, so the copy is read again, but not more often than this."""
_TIMEOUT_S = 1.0
"""How long a request waits for a reading."""


class StoredKeys:
    """Finds keys in the copy.

    `clock` gives Unix seconds, by which keys expire; `monotonic` gives the seconds of the copy's age.
    """

    def __init__(
        self,
        desk: KeyDesk,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._desk = desk
        self._clock = clock
        self._revision = 0
        self._by_digest: dict[bytes, KeyRecord] = {}
        self._digests: dict[str, frozenset[bytes]] = {}
        self._used: dict[str, float] = {}
        self._reported: dict[str, float] = {}
        self._copy = RefreshedCopy(self._read, monotonic)

    async def find(self, digest: bytes) -> KeyRecord | None:
        """The key whose secret has this digest; None if there is none that is valid now.

        Raises Unavailable if the copy is too old and can't be read again.
        """
        await self._at_most(MAX_AGE_S)
        self._copy.refresh(FRESH_S)
        if digest not in self._by_digest:
            await self._at_most(NEW_KEY_S)
        record, now_s = self._by_digest.get(digest), self._clock()
        if record is None or record.valid_until_s[digest] <= now_s:
            return None
        if now_s - self._reported.get(record.key_id, float("-inf")) > USE_PRECISION_S:
            self._used[record.key_id] = self._reported[record.key_id] = now_s
        return record

    async def _at_most(self, age_s: float) -> None:
        try:
            await self._copy.at_most(age_s, _TIMEOUT_S)
        except TimeoutError:
            raise Unavailable("the API keys can't be read at the moment; try again") from None

    async def _read(self) -> None:
        used, self._used = self._used, {}
        try:
            changes = await self._desk.key_changes(self._revision, used)
        except BaseException:
            self._used = used | self._used
            raise
        self._take(changes)

    def _take(self, changes: KeyChanges) -> None:
        if changes.complete:
            self._by_digest.clear()
            self._digests.clear()
            self._reported.clear()
        for record in changes.records:
            for digest in self._digests.pop(record.key_id, ()):
                del self._by_digest[digest]
            if record.valid_until_s:
                self._digests[record.key_id] = frozenset(record.valid_until_s)
                self._by_digest |= dict.fromkeys(record.valid_until_s, record)
        self._revision = changes.revision
