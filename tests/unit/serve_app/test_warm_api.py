"""POST /v1/cache/warm, and automatic warming after a change of documents."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from deployments.agents.specs import DOCUMENTATION, SUPPORT
from deployments.core.errors import EngineUnavailable, WarmlineError
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.messages import Ask, Warmed
from serve_app.rewarming import Rewarming
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
        ({"agent": "support", "questions": [""]}, 400, "questions"),
        ({"agent": "support", "questions": ["x"] * 51}, 400, "questions"),
        ({"agent": "support", "salt": "x"}, 400, "salt"),
    ],
)
async def test_what_cannot_be_warmed_is_refused(body: dict[str, object], status: int, param: str) -> None:
    answer = await Api().http.post("/v1/cache/warm", json=body)
    assert answer.status_code == status
    assert error_of(answer)["param"] == param


class Warming:
    """The part of an `Agent` that warms."""

    def __init__(self) -> None:
        self.warmed: list[TenantId] = []
        self.fault: WarmlineError | None = None

    async def warm(self, tenant: TenantId, asks: Sequence[Ask]) -> Warmed:
        self.warmed.append(tenant)
        if self.fault is not None:
            raise self.fault
        return Warmed()


def rewarming(agent: Warming) -> Rewarming:
    return Rewarming({SUPPORT.collection: agent}, gathered_s=0.001)  # type: ignore[dict-item]


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
