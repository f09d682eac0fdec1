"""The TokenCache deployment's service: tokenizes segments that no cache has, once, and stores them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from deployments.core.batches import batches
from deployments.core.errors import CacheUnavailable, InternalFault
from deployments.core.ids import CollectionName, Scope, SegmentKey, TenantId
from deployments.core.messages import TokenizerBundle
from deployments.core.ports import HotPaths, SegmentStore, TextEncoder
from deployments.core.token_ids import TokenIds, to_bytes
from deployments.token_cache.codec import encode
from deployments.token_cache.flight import SingleFlight
from deployments.token_cache.keys import segment_key
from deployments.token_cache.stored_segments import stored_segments

log = logging.getLogger(__name__)

_WRITE_BATCH = 64
"""Segments tokenized and stored at a time. Other requests can run between two batches."""


class Retrievals(Protocol):
    """The search results that all replicas share. Raises CacheUnavailable."""

    async def forget(self, scope: Scope, generation: int) -> int:
        """Deletes those from before a generation; returns how many there were."""

    async def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Deletes a tenant's, of one collection or all; returns how many there were."""


class TokenCacheService:
    """Implements `core.services.TokenCache`. Belongs to one event loop."""

    def __init__(
        self,
        bundle: TokenizerBundle,
        encoder: TextEncoder,
        store: SegmentStore,
        ttl_for: Callable[[CollectionName], int],
        restart_store: Callable[[], Awaitable[None]] | None = None,
        *,
        retrievals: Retrievals | None = None,
        paths: HotPaths | None = None,
        seal: bytes = b"",
    ) -> None:
        """Makes the service.

        `ttl_for` returns for how many seconds a collection's segments are kept.
        `restart_store` starts this host's embedded store again if it is gone; None for any other store.
        `paths` are the hot paths to keep up to date when segments change.
        `seal` is the key of the entries' checksums, the same in all processes; b"" for a checksum without.
        """
        self._bundle = bundle
        self._encoder = encoder
        self._store = store
        self._ttl_for = ttl_for
        self._restart_store = restart_store
        self._retrievals = retrievals
        self._paths = paths
        self._seal = seal
        self._flights: SingleFlight[tuple[Scope, SegmentKey], TokenIds] = SingleFlight()
        self.corrupt_entries = 0
        """Damaged entries of the store that this service found, deleted and computed again."""

    async def bundle(self) -> TokenizerBundle:
        """Returns all that a replica needs to tokenize as this one does."""
        return self._bundle

    async def tokenize(self, scope: Scope, texts: Sequence[str]) -> list[bytes]:
        """Returns the ids of each text as little-endian 32-bit bytes. Stores those that were not stored.

        Works without the store, if that is down. Raises InvalidRequest on lone surrogates.
        """
        keys = [self._key(text) for text in texts]
        text_of = dict(zip(keys, texts, strict=True))

        async def compute(
            names: tuple[tuple[Scope, SegmentKey], ...],
        ) -> Mapping[tuple[Scope, SegmentKey], TokenIds]:
            fresh = await self._compute(scope, {key: text_of[key] for _, key in names})
            return {(scope, key): ids for key, ids in fresh.items()}

        ids_of = await self._flights.get([(scope, key) for key in text_of], compute)
        return [to_bytes(ids_of[(scope, key)]) for key in keys]

    async def write_through(self, scope: Scope, texts: Sequence[str]) -> int:
        """Tokenizes and stores texts, so that their first use is a hit; returns how many ids it stored.

        Stops early if the store is down. Raises InvalidRequest on lone surrogates.
        """
        written = 0
        for batch in batches(list(dict.fromkeys(texts)), _WRITE_BATCH):
            ids_of = {self._key(text): self._encoder.encode_text(text) for text in batch}
            if not await self._store_ids(scope, ids_of):
                break
            written += sum(map(len, ids_of.values()))
        return written

    async def invalidate(self, scope: Scope, texts: Sequence[str], generation: int) -> int:
        """Deletes the segments of chunks that no longer exist, and retrievals from before `generation`.

        Returns how many segments the store held; 0 if the store is down. They then expire. They are never
        wrong, because a segment's key is a digest of its text, and a retrieval's has the collection's state.
        """
        try:
            if self._retrievals is not None:
                await self._retrievals.forget(scope, generation)
            return await self.discard(scope, texts)
        except CacheUnavailable as error:
            log.warning("entries of %s were not deleted and will expire: %s", scope, error)
            return 0

    async def discard(self, scope: Scope, texts: Sequence[str]) -> int:
        """Deletes the segments of texts; returns how many the store held. Raises CacheUnavailable."""
        keys = list(dict.fromkeys(self._key(text) for text in texts))
        return await self._store.delete_many(scope, keys) if keys else 0

    async def replace(self, scope: Scope, successors: Mapping[str, str]) -> None:
        """Moves the uses of changed segments' hot paths to the new segments.

        `successors` maps old texts to new ones. Only warming uses hot paths, so an error is only logged.
        """
        keys = {self._key(old): self._key(new) for old, new in successors.items()}
        try:
            if self._paths is not None and keys:
                await self._paths.replace(scope, keys)
        except CacheUnavailable as error:
            log.warning("hot paths of %s were not moved to changed segments: %s", scope, error)

    async def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Deletes a tenant's segments and retrievals, of one collection or all.

        Returns how many segments there were. Raises CacheUnavailable.
        """
        if self._retrievals is not None:
            await self._retrievals.clear(tenant, collection)
        return await self._store.clear(tenant, collection)

    async def check_health(self) -> None:
        """Raises InternalFault when the tokenizer does not work.

        Also restarts this host's store if it is gone. The replica stays healthy if the store stays down.
        """
        if not self._encoder.encode_text("ready"):
            raise InternalFault("the tokenizer returns no ids")
        try:
            if self._restart_store is not None:
                await self._restart_store()
        except CacheUnavailable as error:
            log.warning("the store is still down: %s", error)

    async def _compute(
        self, scope: Scope, text_of: Mapping[SegmentKey, str]
    ) -> Mapping[SegmentKey, TokenIds]:
        try:
            stored, damaged = await stored_segments(self._store, scope, tuple(text_of), seal=self._seal)
            self.corrupt_entries += damaged
        except CacheUnavailable:
            return {key: self._encoder.encode_text(text) for key, text in text_of.items()}
        fresh = {k: self._encoder.encode_text(text) for k, text in text_of.items() if k not in stored}
        await self._store_ids(scope, fresh)
        return stored | fresh

    async def _store_ids(self, scope: Scope, ids_of: Mapping[SegmentKey, TokenIds]) -> bool:
        """Stores segments; returns False if the store is down."""
        vocab_size = self._bundle.vocab_size
        values = {key: encode(ids, key, vocab_size, self._seal) for key, ids in ids_of.items()}
        try:
            if values:
                await self._store.put_many(scope, values, self._ttl_for(scope.collection))
        except CacheUnavailable as error:
            log.warning("%d segments of %s could not be stored: %s", len(values), scope, error)
            return False
        return True

    def _key(self, text: str) -> SegmentKey:
        return segment_key(self._encoder.fingerprint, text)
