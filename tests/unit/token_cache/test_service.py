"""The service that tokenizes segments for the whole cluster."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import CacheUnavailable, InternalFault
from deployments.core.ids import CollectionName, Fingerprint, Scope, TenantId
from deployments.core.messages import ChatScaffold, TokenizerBundle
from deployments.core.token_ids import from_bytes, to_bytes, token_ids
from deployments.token_cache.codec import decode
from deployments.token_cache.keys import segment_key
from deployments.token_cache.service import TokenCacheService
from tests.fakes import FAKE_VOCAB_SIZE, FakeEncoder
from tests.unit.token_cache.fake_stores import FakeStore

SCOPE = Scope(TenantId("acme"), CollectionName("documentation"))
BUNDLE = TokenizerBundle("{}", ChatScaffold("", "", "", "", ""), Fingerprint("fake"), FAKE_VOCAB_SIZE)


class Cache:
    """A service, its store and its encoder."""

    def __init__(self):
        self.encoder = FakeEncoder()
        self.store = FakeStore()
        self.service = TokenCacheService(
            BUNDLE, self.encoder, self.store, {"support_kb": 3600, "documentation": 7200}.__getitem__
        )

    async def stored(self, *texts):
        keys = [segment_key(BUNDLE.fingerprint, text) for text in texts]
        raws = await self.store.get_many(SCOPE, keys)
        return [raw and decode(raw, key) for raw, key in zip(raws, keys, strict=True)]


def ids_of(*texts):
    return [FakeEncoder().encode_text(text) for text in texts]


async def test_new_texts_are_tokenized_and_stored_with_their_collections_ttl():
    """One round trip reads, one writes."""
    cache = Cache()
    assert await cache.service.tokenize(SCOPE, ["a", "b", "a"]) == list(map(to_bytes, ids_of("a", "b", "a")))
    assert cache.store.calls == ["get_many", "put_many"]
    assert cache.store.ttls_s == [7200]
    assert cache.encoder.encoded == ["a", "b"]
    assert await cache.stored("a", "b") == ids_of("a", "b")


async def test_what_the_store_has_is_not_tokenized_again():
    """Another replica asked for it before."""
    cache = Cache()
    await cache.service.tokenize(SCOPE, ["a"])
    raws = await cache.service.tokenize(SCOPE, ["b", "a"])
    assert list(map(from_bytes, raws)) == ids_of("b", "a")
    assert cache.encoder.encoded == ["a", "b"]


async def test_many_at_once_tokenize_a_segment_once():
    """A hundred calls of the same segments are one computation."""
    cache = Cache()
    await asyncio.gather(*(cache.service.tokenize(SCOPE, ["a", f"b{n % 3}"]) for n in range(100)))
    assert sorted(cache.encoder.encoded) == ["a", "b0", "b1", "b2"]


async def test_a_store_that_is_down_costs_only_the_writing():
    """The ids are returned."""
    cache = Cache()
    cache.store.down = True
    assert await cache.service.tokenize(SCOPE, ["a"]) == list(map(to_bytes, ids_of("a")))
    cache.store.down = False
    assert await cache.stored("a") == [None]


async def test_a_store_that_goes_down_before_the_writing_costs_only_that():
    """Reading works, writing fails."""
    cache = Cache()
    cache.store.down_when = lambda method: method == "put_many"
    assert await cache.service.tokenize(SCOPE, ["a"]) == list(map(to_bytes, ids_of("a")))


async def test_a_damaged_entry_is_counted_and_replaced():
    """It is computed again."""
    cache = Cache()
    await cache.store.put_many(SCOPE, {segment_key(BUNDLE.fingerprint, "a"): b"junk"}, 60)
    assert await cache.service.tokenize(SCOPE, ["a"]) == list(map(to_bytes, ids_of("a")))
    assert cache.service.corrupt_entries == 1
    assert await cache.stored("a") == ids_of("a")


async def test_write_through_stores_all_texts_and_counts_their_ids():
    """In batches, equal texts once, with the collection's TTL."""
    cache = Cache()
    texts = [f"text {n}" for n in range(150)]
    assert await cache.service.write_through(SCOPE, [*texts, "text 0"]) == sum(map(len, texts))
    assert await cache.stored(*texts) == ids_of(*texts)
    assert cache.store.calls.count("put_many") == 3
    assert set(cache.store.ttls_s) == {7200}


async def test_write_through_counts_only_what_was_stored():
    """A store that goes down after the first batch ends it; one that is down from the start writes 0."""
    cache = Cache()
    texts = [f"{n:03}" for n in range(150)]
    cache.store.down_when = lambda _: cache.store.calls.count("put_many") >= 1
    assert await cache.service.write_through(SCOPE, texts) == 64 * 3
    assert await cache.service.write_through(SCOPE, texts) == 0


async def test_invalidating_deletes_exactly_the_named_segments():
    """The count is of entries that were there; equal texts are one entry."""
    cache = Cache()
    await cache.service.write_through(SCOPE, ["a", "b", "c"])
    assert await cache.service.invalidate(SCOPE, ["a", "b", "a", "never stored"], 1) == 2
    assert await cache.stored("a", "b", "c") == [None, None, *ids_of("c")]
    assert await cache.service.invalidate(SCOPE, [], 2) == 0


async def test_invalidating_in_a_store_that_is_down_deletes_nothing_and_is_no_error():
    """Entries cannot be stale, so it is enough that they expire."""
    cache = Cache()
    await cache.service.write_through(SCOPE, ["a"])
    cache.store.down = True
    assert await cache.service.invalidate(SCOPE, ["a"], 1) == 0


async def test_discarding_invalidates_and_raises_when_the_store_is_down():
    """Its caller needs the exact count."""
    cache = Cache()
    await cache.service.write_through(SCOPE, ["a", "b"])
    assert await cache.service.discard(SCOPE, ["a", "a", "never stored"]) == 1
    assert await cache.service.discard(SCOPE, []) == 0
    assert await cache.stored("a", "b") == [None, *ids_of("b")]
    cache.store.down = True
    with pytest.raises(CacheUnavailable):
        await cache.service.discard(SCOPE, ["b"])


async def test_clear_returns_the_stores_count_and_raises_when_the_store_is_down():
    """A count that is unknown is an error, not a zero."""
    cache = Cache()
    await cache.service.write_through(SCOPE, ["ab", "c"])
    assert await cache.service.clear(TenantId("other"), None) == 0
    assert await cache.service.clear(SCOPE.tenant, SCOPE.collection) == 2
    cache.store.down = True
    with pytest.raises(CacheUnavailable):
        await cache.service.clear(SCOPE.tenant, None)


async def test_health_is_the_tokenizers_not_the_stores():
    """A store that is down is no reason to replace the replica; a tokenizer that returns no ids is."""
    cache = Cache()
    cache.store.down = True
    await cache.service.check_health()

    class Mute(FakeEncoder):
        def encode_text(self, text):
            return token_ids()

    with pytest.raises(InternalFault):
        await TokenCacheService(BUNDLE, Mute(), cache.store, lambda _: 60).check_health()


@given(
    requests=st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=4), min_size=1, max_size=12),
    down=st.sets(st.integers(0, 20)),
)
async def test_a_shaky_store_never_changes_an_answer(requests, down):
    """Concurrent requests get the right ids, although the store fails at random calls."""
    cache = Cache()
    cache.store.down_when = lambda _: len(cache.store.calls) in down
    answers = await asyncio.gather(*(cache.service.tokenize(SCOPE, texts) for texts in requests))
    for texts, raws in zip(requests, answers, strict=True):
        assert list(map(from_bytes, raws)) == ids_of(*texts)


async def test_a_health_check_restarts_the_store_and_passes_if_the_store_stays_down():
    """A supervisor that was killed is started again; without a store, the replica is healthy."""
    restarts = []

    async def restart():
        restarts.append(True)
        raise CacheUnavailable("not yet")

    service = TokenCacheService(BUNDLE, FakeEncoder(), FakeStore(), lambda _: 60, restart)
    await service.check_health()
    assert restarts == [True]
