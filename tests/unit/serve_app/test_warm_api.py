"""POST /v1/cache/warm, and automatic warming after a change of documents."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from deployments.agents.specs import DOCUMENTATION, SUPPORT
from deployments.core.errors import EngineUnavailable, WarmlineError
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.messages import Ask, Warmed
from serve_app import rewarming as module
from serve_app.rewarming import Pace, Rewarming
from tests.unit.serve_app.fake_services import Api, error_of

SCOPE = Scope(TenantId("acme"), SUPPORT.collection)
OWNER = {"x-business-id": "acme"}


async def test_what_a_tenant_asks_for_most_is_warmed_in_one_agent() -> None:
    api = Api()
    answer = await api.http.post("/v1/cache/warm", json={"agent": "support"}, headers=OWNER)
    assert answer.json() == {"support": {"prompts": 3, "prefilled_tokens": 200, "cached_tokens": 100}}
    assert api.rig.warmer.warmed == [SCOPE]
    assert api.lookup.warmer.warmed == []


async def test_without_an_agent_all_are_warmed() -> None:
    api = Api()
    answer = await api.http.post("/v1/cache/warm", json={}, headers=OWNER)
    assert set(answer.json()) == {"support", "business", "documentation"}
    assert api.lookup.warmer.warmed == [Scope(TenantId("acme"), DOCUMENTATION.collection)]


async def test_questions_are_prefilled_and_neither_answered_nor_counted() -> None:
    """Each generates one token, which is discarded and not counted in the statistics."""
    api = Api()
    asked = {"agent": "support", "questions": ["How do I reset it?", "And then?"]}
    answer = await api.http.post("/v1/cache/warm", json=asked, headers=OWNER)
    assert answer.json()["support"]["prompts"] == 2
    assert answer.json()["support"]["cached_tokens"] == 64
    first, second = api.rig.generator.requests
    assert (first.sampling.max_tokens, first.share_answer) == (1, False)
    assert first.request_id != second.request_id
    assert await api.rig.store.read(SCOPE) == {}


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"questions": ["How?"]}, 400, "agent"),
        ({"agent": "nobody"}, 404, "agent"),
        ({"agent": "support", "questions": [""]}, 400, "questions[0]"),
        ({"agent": "support", "questions": ["x"] * 51}, 400, "questions"),
        ({"agent": "support", "salt": "x"}, 400, "salt"),
    ],
)
async def test_what_cannot_be_warmed_is_refused(body: dict[str, object], status: int, param: str) -> None:
    answer = await Api().http.post("/v1/cache/warm", json=body)
    assert answer.status_code == status
    assert error_of(answer)["param"] == param


class Warming:
    """The part of an `Agent` that warms. A warming ends when `may_end` is set."""

    def __init__(self) -> None:
        self.warmed: list[TenantId] = []
        self.fault: WarmlineError | None = None
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.running = 0
        self.most_at_once = 0
        self.times_s: list[float] = []

    async def warm(self, tenant: TenantId, asks: Sequence[Ask]) -> Warmed:
        self.warmed.append(tenant)
        self.times_s.append(asyncio.get_running_loop().time())
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            await self.may_end.wait()
        finally:
            self.running -= 1
        if self.fault is not None:
            raise self.fault
        return Warmed()


QUICK = Pace(gathered_s=0.001, rest_s=0.002)


def rewarming(agent: Warming, pace: Pace = QUICK) -> Rewarming:
    return Rewarming({SUPPORT.collection: agent}, pace)  # type: ignore[dict-item]


def scope_of(number: int) -> Scope:
    return Scope(TenantId(f"tenant-{number}"), SUPPORT.collection)


async def test_changes_in_a_row_cause_one_warming() -> None:
    agent = Warming()
    after = rewarming(agent)
    for _ in range(5):
        after.changed(SCOPE, 1)
    await asyncio.sleep(0.02)
    assert agent.warmed == ["acme"]
    after.changed(SCOPE, 2)
    await asyncio.sleep(0.02)
    assert agent.warmed == ["acme", "acme"]


async def test_changes_during_a_warming_cause_exactly_one_more() -> None:
    """Never two at once, and none is missed."""
    agent = Warming()
    agent.may_end.clear()
    after = rewarming(agent)
    for _ in range(10):
        after.changed(SCOPE, 1)
        await asyncio.sleep(0.003)
    assert agent.warmed == ["acme"]
    agent.may_end.set()
    await asyncio.sleep(0.05)
    assert agent.warmed == ["acme", "acme"]
    assert agent.most_at_once == 1


async def test_one_warming_at_a_time_in_the_order_of_changes() -> None:
    agent = Warming()
    agent.may_end.clear()
    after = rewarming(agent)
    for number in range(5):
        after.changed(scope_of(number), 1)
    await asyncio.sleep(0.02)
    assert agent.warmed == ["tenant-0"]
    agent.may_end.set()
    await asyncio.sleep(0.05)
    assert agent.warmed == [f"tenant-{number}" for number in range(5)]
    assert agent.most_at_once == 1


async def test_a_scope_rests_after_a_warming_and_others_do_not_wait_for_it() -> None:
    agent = Warming()
    after = rewarming(agent, Pace(gathered_s=0.001, rest_s=0.2))
    after.changed(SCOPE, 1)
    await asyncio.sleep(0.02)
    after.changed(SCOPE, 1)
    await asyncio.sleep(0.01)
    after.changed(scope_of(1), 1)
    await asyncio.sleep(0.05)
    assert agent.warmed == ["acme", "tenant-1"]
    await asyncio.sleep(0.3)
    assert agent.warmed == ["acme", "tenant-1", "acme"]
    assert agent.times_s[2] - agent.times_s[0] >= 0.2


async def test_a_warming_that_does_not_end_is_given_up() -> None:
    agent = Warming()
    agent.may_end.clear()
    after = rewarming(agent, Pace(gathered_s=0.001, within_s=0.02))
    after.changed(SCOPE, 1)
    after.changed(scope_of(1), 1)
    await asyncio.sleep(0.1)
    assert (agent.warmed, agent.running) == (["acme", "tenant-1"], 0)


async def test_scopes_that_wait_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    agent = Warming()
    after = rewarming(agent)
    for number in range(4):
        after.changed(scope_of(number), 1)
    await asyncio.sleep(0.05)
    assert agent.warmed == ["tenant-0", "tenant-1"]


async def test_a_change_that_invalidates_nothing_or_has_no_agent_causes_none() -> None:
    agent = Warming()
    after = rewarming(agent)
    after.changed(SCOPE, 0)
    after.changed(Scope(SCOPE.tenant, CollectionName("other")), 1)
    await asyncio.sleep(0.02)
    assert agent.warmed == []


async def test_a_failed_warming_does_not_prevent_the_next() -> None:
    agent = Warming()
    agent.fault = EngineUnavailable("gone")
    after = rewarming(agent)
    after.changed(SCOPE, 1)
    await asyncio.sleep(0.02)
    agent.fault = None
    after.changed(SCOPE, 1)
    await asyncio.sleep(0.02)
    assert agent.warmed == ["acme", "acme"]
