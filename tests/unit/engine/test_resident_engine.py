"""What an engine replica reports of its cache with each answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from deployments.core.errors import EngineUnavailable, Overloaded
from deployments.core.ids import RequestId
from deployments.core.messages import Delta, EngineInfo, GenerateRequest
from deployments.core.reuse.block_hash import block_hashes
from deployments.core.reuse.paths import Known, SegmentId, Step, pack_steps
from deployments.core.reuse.replica_view import ReplicaView
from deployments.core.sampling import Sampling
from deployments.core.token_ids import to_bytes, token_ids
from deployments.engine.counters import EngineCounters
from deployments.engine.engine_turns import EngineTurns
from deployments.engine.kv_feed import BlocksRemoved, BlocksStored
from deployments.engine.resident_engine import ReplicaName, ResidentEngine
from tests.fakes import FakeClock

BLOCK = 4
HEAD, A, B = SegmentId(1), SegmentId(2), SegmentId(3)
IDS = token_ids(range(30))


class HeldEngine:
    """Two deltas a request, held up by `gate`. `fault` is raised instead while that is set."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = 0
        self.closed = 0
        self.aborted = 0
        self.fault: Exception | None = None
        self.prefill_ms = 2.0
        self.counts_late = False
        """Whether the last delta, and not the first, tells how many prompt tokens were cached."""

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        self.asked += 1
        try:
            await self.gate.wait()
            if self.fault is not None:
                raise self.fault
            early, late = (None, 0) if self.counts_late else (0, None)
            yield Delta("x", b"", kv_cached_tokens=early, queue_ms=1.0, prefill_ms=self.prefill_ms)
            yield Delta("y", b"", finish_reason="stop", kv_cached_tokens=late, decode_ms=3.0)
        except (GeneratorExit, asyncio.CancelledError):
            self.aborted += 1
            raise

    async def describe(self) -> EngineInfo:
        return EngineInfo("held", 2048, BLOCK, 100 * BLOCK)

    def counters(self) -> EngineCounters:
        return EngineCounters(running=7)

    async def check_health(self) -> None:
        pass

    def close(self) -> None:
        self.closed += 1


class Rig:
    def __init__(self, hash_seed: str | None = None) -> None:
        self.engine = HeldEngine()
        self.clock = FakeClock()
        info = EngineInfo("held", 2048, BLOCK, 100 * BLOCK)
        name = ReplicaName("replica-1", "start-1")
        self.resident = ResidentEngine(
            self.engine, info, name, EngineTurns(20, 80), self.clock, hash_seed=hash_seed
        )

    async def ask(self, request: GenerateRequest) -> list[Delta]:
        return [delta async for delta in self.resident.generate(request)]


def request(salt: str = "t", known: tuple[Known, ...] = ()) -> GenerateRequest:
    """Segments of 9, 8 and 5 tokens, and 8 that belong to none: 7 whole blocks."""
    layout = pack_steps([Step(HEAD, 9), Step(A, 8), Step(B, 5)])
    return GenerateRequest(
        RequestId("r"), to_bytes(IDS), Sampling(2, 0.0), salt, 9.0, layout=layout, known=known
    )


def cached_by(view: ReplicaView, *wanted: SegmentId) -> int:
    return view.longest_path(HEAD, wanted).cached_tokens


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_the_first_delta_tells_what_is_resident_now(rig: Rig) -> None:
    first, last = await rig.ask(request())
    assert first.residency is not None
    assert (first.residency.replica, first.residency.estimated) == ("replica-1", False)
    assert (last.residency, first.text + last.text) == (None, "xy")
    view = ReplicaView("replica-1")
    view.apply(first.residency)
    assert [cached_by(view), cached_by(view, A), cached_by(view, A, B)] == [8, 16, 20]


async def test_a_caller_that_knows_the_tree_gets_changes_only(rig: Rig) -> None:
    view = ReplicaView("replica-1")
    (first, _) = await rig.ask(request())
    assert first.residency is not None
    view.apply(first.residency)
    others = (Known("another", "x", 3), view.known)
    (again, _) = await rig.ask(request(known=others))
    assert again.residency is not None
    assert (again.residency.since, again.residency.changes) == (view.known.version, b"")
    assert rig.resident.survey("t", others).since == view.known.version
    assert rig.resident.survey("t", others[:1]).since is None


async def test_tenants_see_their_own_trees_only(rig: Rig) -> None:
    await rig.ask(request("a"))
    assert rig.resident.survey("b", ()).changes == b""
    assert rig.resident.survey("a", ()).changes != b""


async def test_events_change_what_is_told(rig: Rig) -> None:
    hashes = block_hashes(IDS, BLOCK, "t")
    await rig.ask(request())
    rig.resident.feed.take(0, [BlocksStored(tuple(hashes))])
    rig.clock.pass_s(60)
    rig.resident.feed.take(1, [BlocksRemoved((hashes[3],))])
    view = ReplicaView("replica-1")
    view.apply(rig.resident.survey("t", ()))
    assert [cached_by(view), cached_by(view, A), cached_by(view, A, B)] == [8, 12, 12]


async def test_the_users_hash_seed_names_the_blocks() -> None:
    rig = Rig(hash_seed="0")
    rig.resident.feed.take(0, [BlocksStored(tuple(block_hashes(IDS, BLOCK, "t", seed="0")))])
    rig.engine.gate.clear()
    asking = asyncio.create_task(rig.ask(request()))
    await asyncio.sleep(0.01)
    assert rig.resident.counters().pending_tokens == 2
    rig.engine.gate.set()
    await asking


async def test_tokens_wait_until_the_first_of_the_answer(rig: Rig) -> None:
    rig.engine.gate.clear()
    stream = rig.resident.generate(request())
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.01)
    assert rig.resident.counters().pending_tokens == len(IDS)
    assert rig.resident.survey("t", ()).pending_tokens == len(IDS)
    rig.engine.gate.set()
    await first
    assert rig.resident.counters().pending_tokens == 0
    await stream.aclose()


async def test_what_is_resident_does_not_wait(rig: Rig) -> None:
    await rig.ask(request())
    rig.engine.gate.clear()
    asking = asyncio.create_task(rig.ask(request()))
    await asyncio.sleep(0.01)
    assert rig.resident.counters().pending_tokens == 2  # seven blocks of four are there, of thirty tokens
    rig.engine.gate.set()
    await asking


LARGE = to_bytes(token_ids(range(384)))


async def slow(rig: Rig) -> Rig:
    """Has prefilled 60 tokens a second so far, and blocks all further requests."""
    rig.clock.pass_s(10)
    rig.engine.prefill_ms = 6400
    await rig.ask(replace(request(), prompt=LARGE))
    rig.engine.gate.clear()
    return rig


async def outcomes(rig: Rig, *requests: GenerateRequest) -> list[type]:
    """Starts requests in one tick; returns the type of each one's result or error."""
    asking = [asyncio.create_task(rig.ask(one)) for one in requests]
    await asyncio.sleep(0.01)
    rig.engine.gate.set()
    return [type(ended) for ended in await asyncio.gather(*asking, return_exceptions=True)]


async def test_the_rate_is_known_when_it_was_measured_lately(rig: Rig) -> None:
    """60 tokens a second, until that is too long ago."""
    assert rig.resident.counters().prefill_tokens_per_s is None
    await slow(rig)
    assert rig.resident.counters().prefill_tokens_per_s == pytest.approx(60, rel=0.05)
    rig.clock.pass_s(60)
    assert rig.resident.counters().prefill_tokens_per_s is None


async def test_those_that_start_at_once_see_each_other(rig: Rig) -> None:
    many = [replace(request(f"t{n}"), prompt=LARGE, deadline_s=30.0) for n in range(4)]  # of 6.4 s each
    assert await outcomes(await slow(rig), *many) == [list, list, list, Overloaded]
    assert rig.resident.counters().pending_tokens == 0


async def test_a_refusal_tells_whose_it_is_and_what_waits_there(rig: Rig) -> None:
    await slow(rig)
    waiting = asyncio.create_task(rig.ask(replace(request("other"), prompt=LARGE)))
    await asyncio.sleep(0.01)
    with pytest.raises(Overloaded) as refusal:
        await rig.ask(replace(request("third"), prompt=LARGE, deadline_s=1.0))
    assert (refusal.value.replica, refusal.value.pending_tokens) == ("replica-1", 384)
    assert rig.resident.counters().refused == 1
    rig.engine.gate.set()
    await waiting


async def test_what_is_resident_is_not_counted_against_a_prompt(rig: Rig) -> None:
    await slow(rig)
    cached = replace(request(), prompt=LARGE, deadline_s=14.0)
    waiting = replace(cached, cache_salt="other")
    assert await outcomes(rig, waiting, cached, waiting) == [list, list, Overloaded]


async def test_a_prefill_of_what_is_resident_does_not_make_the_engine_look_fast(rig: Rig) -> None:
    """A server tells after the answer how much was cached; what is known to be resident counts until then."""
    rig.engine.counts_late = True
    layout = pack_steps([Step(HEAD, 384)])
    for prefill_ms in (6400, 1, 1):
        rig.clock.pass_s(10)
        rig.engine.prefill_ms = prefill_ms
        await rig.ask(replace(request(), prompt=LARGE, layout=layout))
    rig.engine.gate.clear()
    many = [replace(request(f"t{n}"), prompt=LARGE, deadline_s=30.0) for n in range(4)]  # of 6.4 s each
    assert await outcomes(rig, *many) == [list, list, list, Overloaded]


async def test_a_shared_generation_is_judged_by_its_reader(rig: Rig) -> None:
    shared = replace(request("other"), prompt=LARGE, deadline_s=3600.0, reader_s=14.0)
    assert await outcomes(await slow(rig), shared, shared) == [list, Overloaded]


async def test_a_refusal_reaches_no_engine(rig: Rig) -> None:
    big = replace(request("other"), prompt=LARGE, deadline_s=14.0)
    await slow(rig)
    asked = rig.engine.asked
    await outcomes(rig, big, big)
    assert rig.engine.asked == asked + 1


async def test_a_request_without_a_layout_leaves_no_tree(rig: Rig) -> None:
    deltas = await rig.ask(replace(request(), layout=b""))
    assert [delta.residency for delta in deltas] == [None, None]
    assert rig.resident.counters().resident_paths == 0


@pytest.mark.parametrize("layout", [b"", request().layout])
async def test_a_caller_that_leaves_while_waiting_aborts(rig: Rig, layout: bytes) -> None:
    rig.engine.gate.clear()
    asking = asyncio.create_task(rig.ask(replace(request(), layout=layout)))
    await asyncio.sleep(0.01)
    assert rig.resident.counters().pending_tokens == len(IDS)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert rig.engine.aborted == 1
    assert rig.resident.counters().pending_tokens == 0


async def test_closing_the_stream_aborts(rig: Rig) -> None:
    stream = rig.resident.generate(request())
    await anext(stream)
    await stream.aclose()
    assert rig.engine.aborted == 1


async def test_a_fault_passes_and_nothing_is_learnt(rig: Rig) -> None:
    rig.engine.fault = EngineUnavailable("gone")
    with pytest.raises(EngineUnavailable) as failure:
        await rig.ask(request())
    assert (failure.value.message, failure.value.replica) == ("gone", "replica-1")
    counters = rig.resident.counters()
    assert (counters.pending_tokens, counters.resident_paths) == (0, 0)


async def test_counters_are_the_engines_and_its_own(rig: Rig) -> None:
    await rig.ask(request())
    assert rig.resident.counters() == EngineCounters(
        running=7, resident_blocks=7, resident_paths=3, admitted=1
    )
    rig.resident.feed.silent()
    assert rig.resident.counters().residency_estimated
    assert rig.resident.survey("t", ()).estimated


async def test_background_tasks_end_with_the_engine(rig: Rig) -> None:
    ended = asyncio.Event()

    async def events() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    rig.resident.run_in_background(events())
    await asyncio.sleep(0)
    rig.resident.close()
    await asyncio.wait_for(ended.wait(), 1)
    assert rig.engine.closed == 1
