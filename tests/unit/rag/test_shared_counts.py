"""Counters off the request path: nothing is lost to a store that fails, and nothing counted twice."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.cache_figures import CacheUsage, MeasuredUsage
from deployments.core.errors import CacheUnavailable
from deployments.core.ids import CollectionName, Scope, SegmentKey, TenantId
from deployments.rag import shared_counts
from deployments.rag.shared_counts import SharedCounts
from tests.fakes import FakeClock, FakeCounterStore

SCOPE = Scope(TenantId("acme"), CollectionName("kb"))
OTHER = Scope(TenantId("other"), CollectionName("kb"))
A, B = SegmentKey("a"), SegmentKey("b")
HIT = {"segment_hits": 1, "request_hits": 1, "hit_ms": 0.1}


class Meter:
    """A `UsageMeter`; `walks` counts how often it is asked, and it fails while `down` is set."""

    def __init__(self):
        self.walks = 0
        self.down = False

    age_s = 0.0

    async def known(self, _scope):
        self.walks += 1
        await asyncio.sleep(0)
        if self.down:
            raise CacheUnavailable("the walk failed")
        return MeasuredUsage(CacheUsage(entries=1, tokens=42, value_bytes=100), self.age_s)

    fresh = known


@pytest.fixture
def store():
    return FakeCounterStore()


@pytest.fixture
def meter():
    return Meter()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def counts(store, meter, clock):
    return SharedCounts(store, meter, clock)


async def turns(count=20):
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_record_reaches_the_store(counts, store):
    """After the synchronisation the store has the increments and the uses."""
    counts.record(SCOPE, HIT, [A, B])
    assert await counts.settled(SCOPE) is None
    assert await store.read(SCOPE) == HIT
    assert await store.popularity(SCOPE) == {A: 1, B: 1}


async def test_a_record_counts_at_once_and_only_once(counts, store):
    """It is in the figures before, during and after it is stored, never twice and never missing."""
    seen = []
    store.gate.clear()
    counts.record(SCOPE, HIT, [A])
    settled = asyncio.ensure_future(counts.settled(SCOPE))
    for _ in range(3):
        await asyncio.sleep(0)
        seen.append(counts.stats(SCOPE).cache_hits)
    store.gate.set()
    while not settled.done():
        await asyncio.sleep(0)
        seen.append(counts.stats(SCOPE).cache_hits)
    assert set(seen) == {1}
    assert counts.uses(SCOPE, [A, B]) == [1, 0]


async def test_nothing_is_lost_while_the_store_is_down(counts, store):
    """What could not be stored stays pending, still counts here, and is stored later."""
    store.down = True
    for _ in range(3):
        counts.record(SCOPE, HIT, [A])
        assert await counts.settled(SCOPE) == "the store is down for record"
    assert counts.stats(SCOPE).cache_hits == 3
    assert counts.uses(SCOPE, [A]) == [3]
    store.down = False
    counts.record(SCOPE, HIT, [A])
    assert await counts.settled(SCOPE) is None
    assert (await store.read(SCOPE))["segment_hits"] == 4
    assert await store.popularity(SCOPE) == {A: 4}
    assert counts.stats(SCOPE).cache_hits == 4


async def test_what_the_store_took_without_a_reply_counts_once(counts, store):
    """A call may time out after the store counted it: the store recognises a batch that comes again."""
    store.loses_replies = True
    for _ in range(3):
        counts.record(SCOPE, HIT, [A])
        assert await counts.settled(SCOPE) == "the store's reply is lost"
    assert counts.stats(SCOPE).cache_hits == 3
    store.loses_replies = False
    counts.record(SCOPE, HIT, [A])
    assert await counts.settled(SCOPE) is None
    assert (await store.read(SCOPE))["segment_hits"] == 4
    assert await store.popularity(SCOPE) == {A: 4}
    assert counts.stats(SCOPE).cache_hits == 4


@given(st.lists(st.tuples(st.sampled_from(["works", "down", "loses replies"]), st.integers(0, 3))))
def test_whatever_happens_to_the_store_everything_counts_once(steps):
    """However failures and records are mixed, in two replicas the totals are what was recorded."""

    async def run():
        store = FakeCounterStore()
        replicas = [SharedCounts(store, Meter(), FakeClock()) for _ in range(2)]
        for turn, (state, records) in enumerate(steps):
            store.down, store.loses_replies = state == "down", state == "loses replies"
            for _ in range(records):
                replicas[turn % 2].record(SCOPE, {"segment_hits": 1}, [A])
            await turns(records)
        store.down = store.loses_replies = False
        recorded = sum(records for _, records in steps)
        for counts in [*replicas, *replicas]:
            shown = await counts.fresh_stats(SCOPE)
        assert shown.cache_hits == recorded
        assert await store.read(SCOPE) == ({"segment_hits": recorded} if recorded else {})
        assert await store.popularity(SCOPE) == ({A: recorded} if recorded else {})
        assert [counts.uses(SCOPE, [A]) for counts in replicas] == [[recorded]] * 2

    asyncio.run(run())


async def test_what_was_recorded_last_reaches_the_store_without_another_record(counts, store):
    """Records that come while others are sent need no later record to be sent."""
    for _ in range(20):
        counts.record(SCOPE, HIT, [A])
        await asyncio.sleep(0)
    await turns(10)
    assert (await store.read(SCOPE))["segment_hits"] == 20
    assert await store.popularity(SCOPE) == {A: 20}


async def test_an_answer_waits_for_the_synchronisation_under_way_only(counts, store):
    """Under load synchronisations follow each other without end, and none of them holds an answer up."""
    counts.record(SCOPE, HIT, [A])
    settled = asyncio.ensure_future(counts.settled(SCOPE))
    for _ in range(20):
        counts.record(SCOPE, HIT, [A])
        await asyncio.sleep(0)
    assert settled.done()
    assert not counts._view(SCOPE).sync.done()


async def test_a_store_that_is_down_is_not_asked_again_before_the_next_record(counts, store):
    """A failure ends the synchronising: what is pending waits."""
    store.down = True
    counts.record(SCOPE, HIT, [A])
    await turns(3)
    counts.record(SCOPE, HIT, [A])
    await turns()
    assert store.calls.count("record") == 2


async def test_records_during_a_synchronisation_are_kept(counts, store):
    """Increments that arrive while others are being stored are not swept away with them."""
    store.gate.clear()
    counts.record(SCOPE, {"segment_hits": 1}, [A])
    await turns(3)
    counts.record(SCOPE, {"segment_hits": 10}, [A, B])
    store.gate.set()
    assert await counts.settled(SCOPE) is None
    await turns()
    assert (await counts.fresh_stats(SCOPE)).cache_hits == 11
    assert await store.read(SCOPE) == {"segment_hits": 11}
    assert await store.popularity(SCOPE) == {A: 2, B: 1}


@pytest.mark.parametrize("method", ["record", "popularity"])
async def test_a_record_during_any_step_is_kept(counts, store, monkeypatch, method):
    """Whichever call to the store is under way, what is recorded meanwhile goes with the next one."""
    usual = getattr(store, method)

    async def interrupted(*args):
        monkeypatch.setattr(store, method, usual)
        counts.record(SCOPE, {"segment_hits": 10}, [A, B])
        return await usual(*args)

    monkeypatch.setattr(store, method, interrupted)
    counts.record(SCOPE, {"segment_hits": 1}, [A])
    await counts.settled(SCOPE)
    assert counts.stats(SCOPE).cache_hits == 11
    assert counts.uses(SCOPE, [A, B]) == [2, 1]
    await counts.fresh_stats(SCOPE)
    assert await store.read(SCOPE) == {"segment_hits": 11}
    assert await store.popularity(SCOPE) == {A: 2, B: 1}


async def test_many_records_at_once_add_up(counts, store):
    """A hundred requests share few round trips and lose none of their counts."""
    for _ in range(100):
        counts.record(SCOPE, HIT, [A])
        await asyncio.sleep(0)
    shown = await counts.fresh_stats(SCOPE)
    assert shown.cache_hits == 100
    assert shown.avg_hit_latency_ms == pytest.approx(0.1)
    assert (await store.read(SCOPE))["request_hits"] == 100
    assert store.calls.count("record") < 100


async def test_two_replicas_see_each_other(store, meter, clock):
    """Counters are the cluster's: what another replica stored is in this one's figures and uses."""
    here, there = (SharedCounts(store, meter, clock) for _ in range(2))
    there.record(SCOPE, HIT, [A])
    await there.settled(SCOPE)
    assert (await here.fresh_stats(SCOPE)).cache_hits == 1
    assert here.uses(SCOPE, [A, B]) == [1, 0]


async def test_scopes_are_apart(counts, store):
    """One tenant's counts and uses never show in another's."""
    counts.record(SCOPE, HIT, [A])
    await counts.settled(SCOPE)
    assert (await counts.fresh_stats(OTHER)).cache_hits == 0
    assert counts.uses(OTHER, [A]) == [0]
    assert await store.read(OTHER) == {}


async def test_settled_has_nothing_to_wait_for_before_the_first_record(counts):
    """A scope that was never used is settled."""
    assert await counts.settled(SCOPE) is None


async def test_a_caller_that_gives_up_does_not_stop_the_synchronisation(counts, store):
    """Cancelling a caller that waits for the outcome does not cancel the storing."""
    store.gate.clear()
    counts.record(SCOPE, HIT, [A])
    waiting = asyncio.ensure_future(counts.settled(SCOPE))
    await turns(3)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    store.gate.set()
    assert await counts.settled(SCOPE) is None
    assert await store.read(SCOPE) == HIT


async def test_fresh_stats_of_a_store_that_is_down_raise(counts, store):
    """A caller that asks for figures measured now gets an error."""
    counts.record(SCOPE, HIT, [A])
    await counts.settled(SCOPE)
    store.down = True
    with pytest.raises(CacheUnavailable):
        await counts.fresh_stats(SCOPE)


async def test_usage_is_measured_rarely(counts, meter, clock):
    """Walking the store is done at the first record and then every 30 seconds, not for every one."""
    for expected, pause_s in ((1, 0), (1, 29.9), (2, 0.1), (2, 1)):
        clock.pass_s(pause_s)
        counts.record(SCOPE, HIT, [A])
        await turns()
        assert meter.walks == expected
    shown = counts.stats(SCOPE)
    assert (shown.total_tokens_cached, shown.measured_s_ago) == (42, 1.0)


async def test_a_failed_measurement_is_no_error_and_tried_again_as_rarely(counts, meter, clock):
    """The cache is never the reason for an error, nor walked by each request; figures say so."""
    meter.down = True
    counts.record(SCOPE, HIT, [A])
    await turns()
    assert await counts.settled(SCOPE) is None
    assert counts.stats(SCOPE).measured_s_ago is None
    meter.down = False
    for pause_s, tokens, walks in ((29.9, None, 1), (0.1, 42, 2)):
        clock.pass_s(pause_s)
        counts.record(SCOPE, HIT, [A])
        await turns()
        assert counts.stats(SCOPE).total_tokens_cached == tokens
        assert meter.walks == walks


async def test_a_reset_sets_all_counts_to_zero(counts, store):
    """Pending and stored counts go; what comes afterwards counts from nothing."""
    counts.record(SCOPE, HIT, [A])
    await counts.settled(SCOPE)
    await counts.reset(SCOPE)
    assert counts.stats(SCOPE).cache_hits == 0
    counts.record(SCOPE, HIT, [A])
    await counts.settled(SCOPE)
    assert (await store.read(SCOPE))["segment_hits"] == 1


async def test_a_reset_takes_only_what_was_recorded_before(counts, store):
    """What is recorded while the store is being reset counts from there on."""
    store.down = True
    counts.record(SCOPE, HIT, [A])
    await counts.settled(SCOPE)
    store.down = False
    store.gate.clear()
    reset = asyncio.ensure_future(counts.reset(SCOPE))
    await turns()
    counts.record(SCOPE, {"segment_hits": 10}, [B])
    store.gate.set()
    await reset
    assert (await counts.fresh_stats(SCOPE)).cache_hits == 10
    assert await store.read(SCOPE) == {"segment_hits": 10}
    assert await store.popularity(SCOPE) == {A: 1, B: 1}


async def test_a_reset_takes_what_may_have_been_counted(counts, store):
    """A batch whose reply was lost before a reset does not come back after it, and its uses do not double."""
    store.loses_replies = True
    counts.record(SCOPE, HIT, [A])
    await counts.settled(SCOPE)
    store.loses_replies = False
    await counts.reset(SCOPE)
    assert (await counts.fresh_stats(SCOPE)).cache_hits == 0
    assert await store.read(SCOPE) == {}
    assert await store.popularity(SCOPE) == {A: 1}


async def test_a_reset_that_fails_loses_nothing(counts, store):
    """While the store is down a reset raises and the counts stay."""
    counts.record(SCOPE, HIT, [A])
    await counts.settled(SCOPE)
    store.down = True
    with pytest.raises(CacheUnavailable):
        await counts.reset(SCOPE)
    assert counts.stats(SCOPE).cache_hits == 1


async def test_views_are_bounded(counts, monkeypatch):
    """Tenants that come once do not fill the memory; the one used last is kept."""
    monkeypatch.setattr(shared_counts, "_MAX_SCOPES", 3)
    for number in range(10):
        scope = Scope(TenantId(f"t{number}"), SCOPE.collection)
        counts.record(scope, HIT, [A])
        await counts.settled(scope)
        assert counts.uses(scope, [A]) == [1]
    assert len(counts._views) == 3
    await turns()
