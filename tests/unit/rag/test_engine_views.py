"""An agent's views of the engine's replicas: when they are surveyed, and for how long they are valid."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import EngineUnavailable
from deployments.core.reuse.paths import (
    ROOT,
    Change,
    Known,
    ResidencyUpdate,
    SegmentId,
    node_id,
    pack_changes,
)
from deployments.rag import engine_views
from deployments.rag.engine_views import (
    AVOIDED_S,
    GONE_AFTER_S,
    LOAD_VALID_S,
    SURVEY_CALLS_PER_S,
    SURVEY_EVERY_S,
    EngineViews,
)
from tests.fakes import FakeClock, FakeResidencySource

HEAD = SegmentId(1)


def update(replica: str, cached_to: int = 64, *, pending: int = 0, version: int = 1) -> ResidencyUpdate:
    """A whole tree of one path."""
    change = Change(node_id(ROOT, HEAD), ROOT, HEAD, cached_to)
    return ResidencyUpdate(replica, "e", None, version, pack_changes([change]), pending)


class Rig:
    def __init__(self, *updates: ResidencyUpdate) -> None:
        self.clock = FakeClock()
        self.source = FakeResidencySource(*updates)
        self.views = EngineViews(self.source, self.clock)

    async def surveyed(self, salt: str = "s") -> None:
        self.views.refresh(salt)
        for _ in range(5):
            await asyncio.sleep(0)

    async def pending(self, salt: str = "s") -> dict[str, int]:
        return {state.view.replica: state.pending_tokens for state in await self.views.states(salt)}


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between surveys."""
    monkeypatch.setattr(engine_views, "SURVEY_CALLS_PER_S", 1e9)


async def test_the_first_question_of_a_tenant_waits_a_moment_for_its_view() -> None:
    rig = Rig(update("a"), update("b"))
    rig.views.refresh("s")
    assert {state.view.replica for state in await rig.views.states("s")} == {"a", "b"}


async def test_a_slow_survey_holds_no_question_up() -> None:
    rig = Rig(update("a"))
    rig.source.gate.clear()
    rig.views.refresh("s")
    assert await rig.views.states("s") == []
    rig.source.gate.set()


async def test_a_tenant_is_asked_about_once_in_a_while_and_for_what_is_new() -> None:
    rig = Rig(update("a"))
    await rig.surveyed()
    await rig.surveyed()
    assert rig.source.asked == [("s", ())]
    rig.clock.now_s += SURVEY_EVERY_S
    await rig.surveyed()
    assert rig.source.asked[1:] == [("s", (Known("a", "e", 1),))]


async def test_replicas_that_are_gone_are_forgotten() -> None:
    rig = Rig(update("a"), update("b"))
    await rig.surveyed()
    rig.source.updates = [update("b", version=2)]
    rig.clock.now_s += SURVEY_EVERY_S
    await rig.surveyed()
    assert list(await rig.pending()) == ["b"]


async def test_a_replica_that_may_be_too_busy_to_answer_is_not_gone_at_once() -> None:
    rig = Rig(update("a"), update("b"))
    await rig.surveyed()
    rig.source.updates = [update("b", version=2), None]
    rig.clock.now_s += SURVEY_EVERY_S
    await rig.surveyed()
    assert sorted(await rig.pending()) == ["a", "b"]
    rig.clock.now_s += GONE_AFTER_S
    await rig.surveyed()
    assert list(await rig.pending()) == ["b"]


async def test_engines_that_cannot_be_asked_leave_things_as_they_were() -> None:
    rig = Rig(update("a"))
    await rig.surveyed()
    rig.source.fault = EngineUnavailable("gone")
    rig.clock.now_s += SURVEY_EVERY_S
    await rig.surveyed()
    assert list(await rig.pending()) == ["a"]


async def test_a_forgotten_replica_comes_back_with_its_next_report() -> None:
    rig = Rig(update("a"), update("b"))
    await rig.surveyed()
    rig.views.forget("a")
    assert list(await rig.pending()) == ["b"]
    await rig.surveyed()
    assert sorted(await rig.pending()) == ["a", "b"]


async def test_a_replica_whose_engine_ended_is_avoided_even_if_a_running_survey_reports_it() -> None:
    rig = Rig(update("a"), update("b"))
    await rig.surveyed()
    rig.source.gate.clear()
    rig.clock.now_s += SURVEY_EVERY_S
    await rig.surveyed()  # asks, and waits
    rig.views.avoid("a")
    rig.source.gate.set()
    await rig.surveyed()
    assert (list(await rig.pending()), rig.views.avoided()) == (["b"], ("a",))
    rig.clock.now_s += AVOIDED_S
    assert (sorted(await rig.pending()), rig.views.avoided()) == (["a", "b"], ())


async def test_what_was_sent_counts_until_its_first_token() -> None:
    rig = Rig(update("a"))
    await rig.surveyed()
    with rig.views.sending("a", 100), rig.views.sending("a", 20) as arrived:
        assert await rig.pending() == {"a": 120}
        arrived()
        arrived()
        assert await rig.pending() == {"a": 100}
    assert await rig.pending() == {"a": 0}


async def test_a_call_that_fails_counts_no_more() -> None:
    rig = Rig(update("a"))
    await rig.surveyed()
    with pytest.raises(EngineUnavailable), rig.views.sending("a", 100):
        raise EngineUnavailable("gone")
    assert await rig.pending() == {"a": 0}


async def test_a_replica_reports_what_others_sent_and_the_report_is_valid_for_a_while() -> None:
    """Its report includes what this process sent, which this process counts already."""
    rig = Rig(update("a"))
    await rig.surveyed()
    with rig.views.sending("a", 100):
        rig.views.apply("s", update("a", pending=130, version=2))
        assert await rig.pending() == {"a": 130}
    assert await rig.pending() == {"a": 30}
    rig.clock.now_s += LOAD_VALID_S + 0.1
    assert await rig.pending() == {"a": 0}


async def test_a_load_is_valid_until_the_next_survey_reports_another() -> None:
    rig = Rig(update("a", pending=70))
    await rig.surveyed()
    rig.source.gate.clear()
    rig.clock.now_s += SURVEY_EVERY_S
    await rig.surveyed()
    rig.clock.now_s += SURVEY_EVERY_S / 2
    assert await rig.pending() == {"a": 70}
    rig.source.gate.set()


async def test_tenants_are_kept_apart_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(update("a"))
    await rig.surveyed("first")
    assert rig.views.known("second") == ()
    monkeypatch.setattr(engine_views, "MAX_TENANTS", 10)
    for number in range(10):
        rig.views.known(f"t{number}")
    assert rig.views.known("first") == ()


async def test_views_are_bounded_by_their_paths_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next question of a tenant whose views were dropped brings them back."""
    monkeypatch.setattr(engine_views, "MAX_PATHS", 9)
    rig = Rig(update("a"), update("b"))
    for number in range(6):
        await rig.surveyed(f"t{number}")
    assert [bool(rig.views.known(f"t{number}")) for number in range(6)] == [False] * 4 + [True] * 2
    await rig.surveyed("t0")
    assert sorted(await rig.pending("t0")) == ["a", "b"]


async def test_replicas_that_hold_nothing_count_and_are_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a view, which is memory; naming all of many in each call would be most of it."""
    monkeypatch.setattr(engine_views, "MAX_PATHS", 9)
    empty = [ResidencyUpdate(f"r{number}", "e", None, 0, b"", 0) for number in range(3)]
    rig = Rig(update("a"), *empty)
    for salt in ("first", "second"):
        await rig.surveyed(salt)
        assert [one.replica for one in rig.views.known(salt)] == ["a"]
        assert sorted(await rig.pending(salt)) == ["a", "r0", "r1", "r2"]
    assert rig.views.known("first") == ()


@given(st.lists(st.sampled_from(["survey", "forget", "avoid", "gone", "back", "wait"]), max_size=30))
def test_the_number_of_paths_is_counted_exactly(steps: list[str]) -> None:
    """Whatever happens to replicas and tenants."""

    async def run() -> None:
        rig = Rig(update("a"), update("b"))
        for number, step in enumerate(steps):
            match step:
                case "survey":
                    await rig.surveyed(f"t{number % 4}")
                case "forget":
                    rig.views.forget("a")
                case "avoid":
                    rig.views.avoid("b")
                case "gone":
                    rig.source.updates = [update("b", version=number)]
                case "back":
                    rig.source.updates = [update("a", version=number), update("b", version=number)]
                case _:
                    rig.clock.now_s += SURVEY_EVERY_S
            assert rig.views._paths == sum(tenant.paths for tenant in rig.views._tenants.values())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_views, "MAX_TENANTS", 3)
        asyncio.run(run())


async def test_one_survey_asks_about_all_tenants_that_are_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask while one is under way; a bounded number in each call."""
    monkeypatch.setattr(engine_views, "SURVEYED_AT_ONCE", 50)
    rig = Rig(update("a"))
    rig.source.gate.clear()
    await rig.surveyed("first")
    for number in range(120):
        rig.views.refresh(f"t{number}")
    rig.source.gate.set()
    for _ in range(50):
        await asyncio.sleep(0)
    assert rig.source.surveys == 4
    assert len(rig.source.asked) == 121


async def test_surveys_pause_the_longer_the_more_replicas_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the calls of a process in a second are bounded."""
    monkeypatch.setattr(engine_views, "SURVEY_CALLS_PER_S", SURVEY_CALLS_PER_S)
    slept: list[float] = []
    clock = FakeClock()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.now_s += seconds

    views = EngineViews(FakeResidencySource(*(update(f"r{n}") for n in range(64))), clock, sleep)
    for salt in ("first", "second"):
        views.refresh(salt)
        assert views._surveying is not None
        await views._surveying
    assert slept == [pytest.approx(64 / SURVEY_CALLS_PER_S)]
