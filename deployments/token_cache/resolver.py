"""Segments to ids in an agent's replica, from L1, the shared store or the TokenCache deployment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from deployments.core.errors import CacheUnavailable, InvalidRequest, WarmlineError
from deployments.core.ids import CollectionName, Scope, SegmentKey, TenantId
from deployments.core.messages import ResolvedSegments, SegmentSource
from deployments.core.ports import SegmentStore, SegmentTokenizer, TextEncoder
from deployments.core.token_ids import TokenIds, from_bytes
from deployments.redis.breaker import CircuitBreaker
from deployments.token_cache.flight import SingleFlight
from deployments.token_cache.keys import segment_key
from deployments.token_cache.lru import SegmentLru
from deployments.token_cache.stored_segments import stored_segments

_KEPT_KEYS = 1024
"""Texts whose keys are kept: a few megabytes, with texts of usual length."""
_FAILURES = 2
"""Failures in a row after which TokenCache is not called. One late answer on a busy machine is no outage."""
_UNCALLED_S = 5.0
"""Seconds from the last failure to the next call. A restart takes a few of them."""


@dataclass(frozen=True, slots=True)
class _Resolved:
    ids: TokenIds
    source: SegmentSource
    cache_error: str | None = None
    """Why the shared store could not be used; None if it could, or was not needed."""


class CachedResolver:
    """Implements `core.ports.SegmentResolver`. The ids never depend on what the caches hold.

    One call asks the store once, for all segments that are not in L1, and the TokenCache deployment
    once, for all segments that are not in the store. Callers that want the same segment at the same time
    share the work. If the store or the deployment fails, the local encoder tokenizes: without the store,
    a call to the deployment would cost more than the millisecond that it saves.

    Belongs to one event loop.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        l1: SegmentLru,
        store: SegmentStore,
        tokenizer: SegmentTokenizer | None,
        tokenizer_timeout_s: float = 1.0,
        *,
        seal: bytes = b"",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`seal` is the key of the entries' checksums, b"" for a checksum without. `clock` gives seconds to
        the circuit breaker of the TokenCache deployment.
        """
        self._encoder = encoder
        self._l1 = l1
        self._store = store
        self._seal = seal
        self._tokenizer = tokenizer
        self._tokenizer_timeout_s = tokenizer_timeout_s
        self._breaker = CircuitBreaker(
            failures=_FAILURES, open_s=_UNCALLED_S, name="the TokenCache deployment", clock=clock
        )
        self._flights: SingleFlight[tuple[Scope, SegmentKey], _Resolved] = SingleFlight()
        # Cached, because on a hit the digests of five texts take longer than everything else.
        self._key_of = lru_cache(_KEPT_KEYS)(partial(segment_key, encoder.fingerprint))
        self.corrupt_entries = 0
        """Damaged entries of the store that this resolver found, deleted and computed again."""

    async def resolve(self, scope: Scope, texts: Sequence[str]) -> ResolvedSegments:
        """Returns ids in the order of `texts`. Resolves equal texts once. Raises InvalidRequest."""
        keys = [self._key_of(text) for text in texts]
        text_of = dict(zip(keys, texts, strict=True))
        found = self._from_l1(scope, text_of)
        missing = [(scope, key) for key in text_of if key not in found]

        async def compute(
            names: tuple[tuple[Scope, SegmentKey], ...],
        ) -> Mapping[tuple[Scope, SegmentKey], _Resolved]:
            fresh = await self._compute(scope, {key: text_of[key] for _, key in names})
            return {(scope, key): resolved for key, resolved in fresh.items()}

        if missing:
            for (_, key), resolved in (await self._flights.get(missing, compute)).items():
                found[key] = resolved
        return ResolvedSegments(
            ids=tuple(found[key].ids for key in keys),
            keys=tuple(keys),
            sources=tuple(found[key].source for key in keys),
            cache_error=next((r.cache_error for r in found.values() if r.cache_error), None),
        )

    def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Empties this replica's L1 for a tenant; returns how many segments it held."""
        return self._l1.clear(tenant, collection)

    def forget(self, matches: Callable[[Scope], bool]) -> int:
        """Drops the segments of the scopes that match from L1; returns how many there were."""
        self._key_of.cache_clear()  # it has texts of any scope
        return self._l1.forget(matches)

    def _from_l1(self, scope: Scope, keys: Mapping[SegmentKey, str]) -> dict[SegmentKey, _Resolved]:
        held = ((key, self._l1.get(scope, key)) for key in keys)
        return {k: _Resolved(ids, SegmentSource.L1) for k, ids in held if ids is not None}

    async def _compute(self, scope: Scope, text_of: Mapping[SegmentKey, str]) -> dict[SegmentKey, _Resolved]:
        stored: dict[SegmentKey, TokenIds] = {}
        cache_error = None
        try:
            stored, damaged = await stored_segments(self._store, scope, tuple(text_of), seal=self._seal)
            self.corrupt_entries += damaged
        except CacheUnavailable as error:
            cache_error = str(error)
        missing = [key for key in text_of if key not in stored]
        tokenize = self._tokenize_here if cache_error else self._tokenize
        fresh = await tokenize(scope, [text_of[key] for key in missing])
        for key, ids in [*stored.items(), *zip(missing, fresh, strict=True)]:
            self._l1.put(scope, key, ids)
        return {key: _Resolved(ids, SegmentSource.REDIS) for key, ids in stored.items()} | {
            key: _Resolved(ids, SegmentSource.TOKENIZED, cache_error)
            for key, ids in zip(missing, fresh, strict=True)
        }

    async def _tokenize(self, scope: Scope, texts: Sequence[str]) -> list[TokenIds]:
        """Tokenizes in the TokenCache deployment, or here if there is none or it fails."""
        if self._tokenizer is None or not texts:
            return await self._tokenize_here(scope, texts)
        try:
            with self._breaker.call():
                return await self._tokenize_there(self._tokenizer, scope, texts)
        except CacheUnavailable:
            return await self._tokenize_here(scope, texts)

    async def _tokenize_there(
        self, tokenizer: SegmentTokenizer, scope: Scope, texts: Sequence[str]
    ) -> list[TokenIds]:
        """Raises InvalidRequest, which is no failure, and CacheUnavailable."""
        try:
            async with asyncio.timeout(self._tokenizer_timeout_s):
                raws = await tokenizer.tokenize(scope, texts)
            ids = [from_bytes(raw) for raw in raws]
            if len(ids) != len(texts):
                raise ValueError(f"{len(ids)} answers to {len(texts)} texts")
        except InvalidRequest:
            raise
        except (WarmlineError, TimeoutError, ValueError) as error:
            raise CacheUnavailable("each replica tokenizes for itself until it answers") from error
        return ids

    async def _tokenize_here(self, _scope: Scope, texts: Sequence[str]) -> list[TokenIds]:
        return [self._encoder.encode_text(text) for text in texts]


class UncachedResolver:
    """Implements `core.ports.SegmentResolver` without a cache: tokenizes every text every time."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder

    async def resolve(self, scope: Scope, texts: Sequence[str]) -> ResolvedSegments:
        """Returns ids in the order of `texts`. Raises InvalidRequest."""
        return ResolvedSegments(
            ids=tuple(self._encoder.encode_text(text) for text in texts),
            keys=tuple(segment_key(self._encoder.fingerprint, text) for text in texts),
            sources=(SegmentSource.TOKENIZED,) * len(texts),
        )

    def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Returns 0: this resolver holds nothing."""
        return 0

    def forget(self, matches: Callable[[Scope], bool]) -> int:
        """Returns 0: this resolver holds nothing."""
        return 0
