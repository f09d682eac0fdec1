"""Entries in Redis by somebody who lacks the seal are never used."""

from __future__ import annotations

import pytest

from deployments.core.ids import CollectionName, Fingerprint, Scope, TenantId
from deployments.core.messages import TokenizerBundle
from deployments.core.salt import cache_salt, entry_seal
from deployments.core.token_ids import TokenIds, from_bytes
from deployments.token_cache.codec import encode
from deployments.token_cache.keys import segment_key
from deployments.token_cache.lru import SegmentLru
from deployments.token_cache.resolver import CachedResolver
from deployments.token_cache.service import TokenCacheService
from deployments.token_cache.stored_segments import stored_segments
from tests.fakes import FAKE_VOCAB_SIZE, SCAFFOLD, FakeEncoder
from tests.memory_stores import InMemorySegmentStore

SCOPE = Scope(TenantId("acme"), CollectionName("kb"))
BUNDLE = TokenizerBundle("{}", SCAFFOLD, Fingerprint("fake"), FAKE_VOCAB_SIZE)
SEAL = entry_seal(b"the secret of the cluster")
KEY = segment_key(Fingerprint("fake"), "true")


def ids_of(text: str) -> TokenIds:
    return FakeEncoder().encode_text(text)


class Cluster:
    """A store that a forger can write to, and what reads it."""

    def __init__(self) -> None:
        self.store = InMemorySegmentStore()
        self.service = TokenCacheService(BUNDLE, FakeEncoder(), self.store, lambda _: 60, seal=SEAL)

    def replica(self) -> CachedResolver:
        return CachedResolver(FakeEncoder(), SegmentLru(0), self.store, self.service, seal=SEAL)

    async def forge(self, seal: bytes) -> None:
        forged = encode(ids_of("forged"), KEY, FAKE_VOCAB_SIZE, seal)
        await self.store.put_many(SCOPE, {KEY: forged}, 60)


@pytest.mark.parametrize(
    "seal", [b"", entry_seal(b"another secret"), cache_salt(b"x", SCOPE.tenant, "1").encode()]
)
async def test_a_forged_entry_is_computed_again(seal: bytes) -> None:
    """By an agent's replica, by the TokenCache deployment and by warming; the true one takes its place."""
    cluster = Cluster()
    await cluster.forge(seal)
    assert await stored_segments(cluster.store, SCOPE, [KEY], seal=SEAL) == ({}, 1)
    await cluster.forge(seal)
    resolver = cluster.replica()
    assert (await resolver.resolve(SCOPE, ["true"])).ids == (ids_of("true"),)
    assert resolver.corrupt_entries == 1
    await cluster.forge(seal)
    (raw,) = await cluster.service.tokenize(SCOPE, ["true"])
    assert from_bytes(raw) == ids_of("true")
    assert await stored_segments(cluster.store, SCOPE, [KEY], seal=SEAL) == ({KEY: ids_of("true")}, 0)


async def test_entries_of_the_application_are_used() -> None:
    """Whichever process wrote them."""
    cluster = Cluster()
    await cluster.service.write_through(SCOPE, ["true"])
    resolver = cluster.replica()
    await resolver.resolve(SCOPE, ["true"])
    assert (resolver.corrupt_entries, cluster.service.corrupt_entries) == (0, 0)


def test_each_use_of_the_secret_has_a_key_of_its_own() -> None:
    """Who learns a tenant's salt from an engine's events can't forge entries with it."""
    assert len(SEAL) == 32
    assert entry_seal(b"a") != entry_seal(b"b")
    assert SEAL.hex() != cache_salt(b"the secret of the cluster", TenantId(""), "")
