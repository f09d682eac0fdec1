"""Segments to ids: the same ids in every mode, each computed once."""

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import InvalidRequest
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.messages import SegmentSource
from deployments.token_cache.codec import encode
from deployments.token_cache.keys import segment_key
from deployments.token_cache.lru import SegmentLru
from deployments.token_cache.resolver import CachedResolver, UncachedResolver
from tests.fakes import FAKE_VOCAB_SIZE, FakeClock, FakeEncoder
from tests.unit.token_cache.fake_stores import FakeStore, FakeTokenizer

SCOPE = Scope(TenantId("acme"), CollectionName("support_kb"))
OTHER = Scope(TenantId("other"), CollectionName("support_kb"))
L1, REDIS, TOKENIZED = SegmentSource.L1, SegmentSource.REDIS, SegmentSource.TOKENIZED


class Replica:
    """A resolver with everything around it."""

    def __init__(self, store=None, l1_bytes=2**20, tokenizer=True, timeout_s=60.0):
        self.encoder = FakeEncoder()
        self.store = store or FakeStore()
        self.tokenizer = FakeTokenizer(FakeEncoder())
        self.clock = FakeClock()
        self.resolver = CachedResolver(
            self.encoder,
            SegmentLru(l1_bytes),
            self.store,
            self.tokenizer if tokenizer else None,
            timeout_s,
            clock=self.clock,
        )

    def key(self, text):
        return segment_key(self.encoder.fingerprint, text)

    async def fill(self, *texts, scope=SCOPE):
        values = {
            self.key(text): encode(FakeEncoder().encode_text(text), self.key(text), FAKE_VOCAB_SIZE)
            for text in texts
        }
        await self.store.put_many(scope, values, 60)
        self.store.calls.clear()


def ids_of(texts):
    return tuple(FakeEncoder().encode_text(text) for text in texts)


async def test_each_level_is_asked_once_for_what_the_one_before_lacks():
    """One text in L1, one in the store, two in neither: one round trip, one call, ids in order."""
    replica = Replica()
    await replica.fill("held", "stored")
    await replica.resolver.resolve(SCOPE, ["held"])
    replica.store.calls.clear()
    found = await replica.resolver.resolve(SCOPE, ["new", "held", "stored", "newer"])
    assert found.ids == ids_of(["new", "held", "stored", "newer"])
    assert found.sources == (TOKENIZED, L1, REDIS, TOKENIZED)
    assert found.keys == tuple(map(replica.key, ["new", "held", "stored", "newer"]))
    assert found.cache_error is None
    assert replica.store.calls == ["get_many"]
    assert replica.tokenizer.calls == [("new", "newer")]
    assert replica.encoder.encoded == []


async def test_what_was_resolved_is_in_l1_afterwards():
    """The second time, no other process is called."""
    replica = Replica()
    await replica.fill("stored")
    await replica.resolver.resolve(SCOPE, ["stored", "new"])
    replica.store.calls.clear()
    found = await replica.resolver.resolve(SCOPE, ["stored", "new"])
    assert found.sources == (L1, L1)
    assert replica.store.calls == []
    assert len(replica.tokenizer.calls) == 1


async def test_equal_texts_are_resolved_once_and_returned_as_often_as_asked():
    """Two passages with the same text are two segments of the prompt, but are tokenized once."""
    replica = Replica()
    found = await replica.resolver.resolve(SCOPE, ["a", "b", "a"])
    assert found.ids == ids_of(["a", "b", "a"])
    assert replica.tokenizer.calls == [("a", "b")]


async def test_nothing_asked_is_nothing_done():
    """No texts, no round trip."""
    replica = Replica()
    found = await replica.resolver.resolve(SCOPE, [])
    assert (found.ids, found.keys, found.sources, found.cache_error) == ((), (), (), None)
    assert replica.store.calls == []


async def test_a_tenant_never_gets_anothers_entries():
    """Neither from L1 nor from the store, although the text and so the key are the same."""
    replica = Replica()
    await replica.fill("secret", scope=OTHER)
    await replica.resolver.resolve(OTHER, ["secret"])
    assert (await replica.resolver.resolve(SCOPE, ["secret"])).sources == (TOKENIZED,)


async def test_a_store_that_is_down_is_reported_and_costs_nothing_else():
    """The local encoder does the work. The deployment is not called: it could not store it either."""
    replica = Replica()
    replica.store.down = True
    found = await replica.resolver.resolve(SCOPE, ["a", "b"])
    assert found.ids == ids_of(["a", "b"])
    assert found.sources == (TOKENIZED, TOKENIZED)
    assert found.cache_error == "the store is down"
    assert replica.tokenizer.calls == []
    replica.store.down = False
    assert (await replica.resolver.resolve(SCOPE, ["c"])).cache_error is None


async def test_a_store_that_is_down_is_not_reported_when_it_was_not_needed():
    """All segments in L1: the cache was not bypassed."""
    replica = Replica()
    await replica.resolver.resolve(SCOPE, ["a"])
    replica.store.down = True
    found = await replica.resolver.resolve(SCOPE, ["a"])
    assert (found.sources, found.cache_error) == ((L1,), None)


@pytest.mark.parametrize("damage", [b"", b"junk", "other key", "bit"])
async def test_a_damaged_entry_is_deleted_counted_and_computed_again(damage):
    """Garbage, an entry of another key and a flipped bit are all detected."""
    replica = Replica()
    await replica.fill("good", "bad")
    key = replica.key("bad")
    good = encode(ids_of(["bad"])[0], key, FAKE_VOCAB_SIZE)
    raw = {
        "other key": encode(ids_of(["bad"])[0], replica.key("good"), FAKE_VOCAB_SIZE),
        "bit": good[:-1] + bytes([good[-1] ^ 1]),
    }.get(damage, damage)
    await replica.store.put_many(SCOPE, {key: raw}, 60)
    found = await replica.resolver.resolve(SCOPE, ["good", "bad"])
    assert found.ids == ids_of(["good", "bad"])
    assert found.sources == (REDIS, TOKENIZED)
    assert found.cache_error is None
    assert replica.resolver.corrupt_entries == 1
    assert await replica.store.get_many(SCOPE, [key]) == [None]


async def test_a_damaged_entry_that_cannot_be_deleted_does_not_cost_the_good_ones():
    """The store goes down between reading and deleting."""
    replica = Replica()
    await replica.fill("good", "bad")
    await replica.store.put_many(SCOPE, {replica.key("bad"): b"junk"}, 60)
    replica.store.down_when = lambda method: method == "delete_many"
    found = await replica.resolver.resolve(SCOPE, ["good", "bad"])
    assert found.ids == ids_of(["good", "bad"])
    assert found.sources == (REDIS, TOKENIZED)


async def test_a_deployment_that_fails_is_replaced_by_the_local_encoder_and_logged_once(caplog):
    """One line per incident, however many requests fail; another line at the next incident."""
    caplog.set_level(logging.WARNING)
    replica = Replica()
    for outage in (1, 2):
        replica.tokenizer.down()
        for text in ("a", "b", "c"):
            found = await replica.resolver.resolve(SCOPE, [f"{text}{outage}"])
            assert found.ids == ids_of([f"{text}{outage}"])
            assert (found.sources, found.cache_error) == ((TOKENIZED,), None)
        assert len(caplog.records) == outage
        replica.tokenizer.fault = None
        replica.clock.pass_s(5)
        await replica.resolver.resolve(SCOPE, [f"well {outage}"])


async def test_a_deployment_that_restarts_is_not_waited_for_by_each_prompt():
    """After two failures it is called once in five seconds, until it answers; then by all again."""
    replica = Replica()
    replica.tokenizer.down()
    for number in range(10):
        await replica.resolver.resolve(SCOPE, [f"a{number}"])
    assert len(replica.tokenizer.calls) == 2
    replica.clock.pass_s(5)
    for number in range(10):
        await replica.resolver.resolve(SCOPE, [f"b{number}"])
    assert len(replica.tokenizer.calls) == 3
    replica.tokenizer.fault = None
    replica.clock.pass_s(5)
    for number in range(10):
        await replica.resolver.resolve(SCOPE, [f"c{number}"])
    assert len(replica.tokenizer.calls) == 13


async def test_a_text_that_is_refused_does_not_switch_the_deployment_off():
    """One tenant's bad text is no outage: other tenants' segments are still tokenized there."""
    replica = Replica()
    replica.tokenizer.fault = InvalidRequest("half a character")
    for number in range(5):
        with pytest.raises(InvalidRequest):
            await replica.resolver.resolve(OTHER, [f"a{number}"])
    replica.tokenizer.fault = None
    await replica.resolver.resolve(SCOPE, ["b"])
    assert replica.tokenizer.calls[-1] == ("b",)


async def test_a_deployment_that_does_not_answer_in_time_is_not_waited_for():
    """The time limit ends the call, and the local encoder does the work."""
    replica = Replica(timeout_s=0.0)
    found = await replica.resolver.resolve(SCOPE, ["a"])
    assert found.ids == ids_of(["a"])
    assert replica.encoder.encoded == ["a"]


@pytest.mark.parametrize("answer", [[], [b"abc"], [b"\0" * 4, b"\0" * 4]])
async def test_an_answer_that_does_not_fit_the_question_is_not_used(answer):
    """Too few answers, too many, or bytes that are no ids: the local encoder does the work."""
    replica = Replica()
    replica.tokenizer.answer = answer
    assert (await replica.resolver.resolve(SCOPE, ["a"])).ids == ids_of(["a"])


async def test_without_a_deployment_the_local_encoder_does_the_work():
    """A resolver needs no TokenCache."""
    replica = Replica(tokenizer=False)
    found = await replica.resolver.resolve(SCOPE, ["a"])
    assert (found.ids, found.sources) == (ids_of(["a"]), (TOKENIZED,))


async def test_requests_at_the_same_time_share_the_work():
    """Fifty requests for overlapping segments tokenize each of them once."""
    replica = Replica()
    requests = [[f"t{n}", f"t{n + 1}", f"t{n + 2}"] for n in range(10)] * 5
    found = await asyncio.gather(*(replica.resolver.resolve(SCOPE, texts) for texts in requests))
    assert [f.ids for f in found] == [ids_of(texts) for texts in requests]
    tokenized = [text for call in replica.tokenizer.calls for text in call]
    assert sorted(tokenized) == sorted({text for texts in requests for text in texts})


async def test_cancelling_a_request_does_not_affect_those_that_joined_it():
    """The first request is cancelled while the second waits for its work."""
    replica = Replica()
    first = asyncio.create_task(replica.resolver.resolve(SCOPE, ["a", "b"]))
    second = asyncio.create_task(replica.resolver.resolve(SCOPE, ["b", "c"]))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).ids == ids_of(["b", "c"])
    assert first.cancelled()


async def test_clearing_empties_this_replicas_l1_of_one_tenant():
    """Another tenant's segments stay."""
    replica = Replica(tokenizer=False)
    await replica.resolver.resolve(SCOPE, ["a", "b"])
    await replica.resolver.resolve(OTHER, ["a"])
    assert replica.resolver.clear(TenantId("acme"), None) == 2
    assert (await replica.resolver.resolve(SCOPE, ["a"])).sources == (TOKENIZED,)
    assert (await replica.resolver.resolve(OTHER, ["a"])).sources == (L1,)


async def test_switched_off_everything_is_tokenized_every_time():
    """The sources say so; ids and keys are the same as with the cache."""
    resolver = UncachedResolver(FakeEncoder())
    for _ in range(2):
        found = await resolver.resolve(SCOPE, ["a", "b", "a"])
        assert found.sources == (TOKENIZED,) * 3
        assert found.ids == ids_of(["a", "b", "a"])
        assert found.keys == (await Replica().resolver.resolve(SCOPE, ["a", "b", "a"])).keys


async def test_half_a_character_is_refused_in_every_mode():
    """InvalidRequest reaches the caller."""

    class Strict(FakeEncoder):
        def encode_text(self, text):
            if "\ud800" in text:
                raise InvalidRequest("half a character")
            return super().encode_text(text)

    cached = CachedResolver(Strict(), SegmentLru(1000), FakeStore(), FakeTokenizer(Strict()))
    for resolver in (UncachedResolver(Strict()), cached):
        with pytest.raises(InvalidRequest):
            await resolver.resolve(SCOPE, ["\ud800"])


TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=6)
DAMAGE = st.binary(max_size=40)


@given(
    texts=TEXTS,
    known=TEXTS,
    damage=DAMAGE,
    l1_bytes=st.sampled_from([0, 450, 2**20]),
    data=st.data(),
)
async def test_ids_are_the_same_in_every_mode(texts, known, damage, l1_bytes, data):
    """Cold, warm, off, down, corrupt, deployment down or absent: the ids are the same."""
    expected = (await UncachedResolver(FakeEncoder()).resolve(SCOPE, texts)).ids
    assert expected == ids_of(texts)
    replica = Replica(l1_bytes=l1_bytes, tokenizer=data.draw(st.booleans(), "deployment"))
    await replica.fill(*known)
    for _ in range(4):
        replica.store.down = data.draw(st.booleans(), "store down")
        replica.tokenizer.fault = None
        if data.draw(st.booleans(), "deployment down"):
            replica.tokenizer.down()
        if texts and not replica.store.down and data.draw(st.booleans(), "corrupt"):
            corrupt = replica.key(data.draw(st.sampled_from(texts)))
            await replica.store.put_many(SCOPE, {corrupt: damage}, 60)
        found = await replica.resolver.resolve(SCOPE, texts)
        assert found.ids == expected
        assert len(found.sources) == len(found.keys) == len(texts)
        if found.cache_error:
            assert replica.store.down
            assert TOKENIZED in found.sources
