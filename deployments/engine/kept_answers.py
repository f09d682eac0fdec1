"""A byte-bounded LRU cache of complete answers with a TTL, keyed by what decides the answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import astuple
from operator import attrgetter
from typing import NamedTuple

from deployments.core.byte_lru import ByteLru
from deployments.core.messages import Delta, GenerateRequest

_OVERHEAD_BYTES = 500
"""Size of an entry without its text and ids: objects, the key, a slot in the dict."""


def answer_key(request: GenerateRequest, model: str) -> bytes:
    """A digest (32 bytes) of model, cache salt (so, tenant), sampling and prompt ids."""
    digest = hashlib.sha256()
    for field in (model, request.cache_salt, repr(astuple(request.sampling))):
        raw = field.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "little") + raw)
    digest.update(request.prompt)
    return digest.digest()


class _Entry(NamedTuple):
    answer: Delta
    expires_at_s: float
    size_bytes: int


class KeptAnswers:
    """Keeps at most `max_bytes` of answers, each for `ttl_s` seconds. `clock` returns seconds."""

    def __init__(self, max_bytes: int, ttl_s: float, clock: Callable[[], float]) -> None:
        self._ttl_s = ttl_s
        self._clock = clock
        self._entries: ByteLru[bytes, _Entry] = ByteLru(max_bytes, attrgetter("size_bytes"))

    @property
    def bytes_used(self) -> int:
        """The size of all entries; never more than `max_bytes`."""
        return self._entries.bytes_used

    def __len__(self) -> int:
        """How many answers it keeps."""
        return len(self._entries)

    def get(self, key: bytes) -> Delta | None:
        """The answer as one delta; None if it is not kept or has expired."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires_at_s <= self._clock():
            self._entries.drop(key)
            return None
        return entry.answer

    def put(self, key: bytes, answer: Delta) -> None:
        """Keeps a complete answer and evicts the least recently used ones.

        Ignores an answer that alone is larger than `max_bytes`.
        """
        size_bytes = len(answer.text.encode("utf-8", "surrogatepass")) + len(answer.ids) + _OVERHEAD_BYTES
        self._entries.put(key, _Entry(answer, self._clock() + self._ttl_s, size_bytes))
