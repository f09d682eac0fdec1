"""What requests set off in the background is bounded, however many come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import httpx
import pytest

from deployments.access.limit_store import LimitStore
from deployments.agents.specs import SUPPORT
from deployments.core.access import Actor
from deployments.core.ids import TenantId
from deployments.core.messages import Ask, Warmed
from deployments.core.quotas import Quota
from deployments.core.services import Agent
from deployments.records.record_ids import new_record_id
from serve_app.http.application import build_api
from serve_app.ingress import Probes
from serve_app.rewarming import Pace, Rewarming
from tests.abuse.attacked import Attacked
from tests.contract.knowledge.conftest import statements

pytestmark = pytest.mark.system

GATHERED_S = REST_S = 0.2


class SlowWarming:
    """The part of an agent that warms. Each warming takes half a second."""

    def __init__(self) -> None:
        self.running = self.most = self.begun = 0

    async def warm(self, tenant: TenantId, asks: Sequence[Ask]) -> Warmed:
        self.begun += 1
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.5)
        self.running -= 1
        return Warmed()


async def test_a_storm_of_changes_warms_one_at_a_time(app: Attacked) -> None:
    """Changes during a warming cause one more, after a rest."""
    agent = SlowWarming()
    rewarming = Rewarming({SUPPORT.collection: cast(Agent, agent)}, Pace(GATHERED_S, REST_S))
    services = replace(app.api.app.state.services, library=app.knowledge, changed=rewarming.changed)
    app.http = httpx.AsyncClient(
        transport=httpx.ASGITransport(build_api(services)), base_url="http://localhost", timeout=60
    )
    began_s = asyncio.get_running_loop().time()
    for number in range(120):
        stored = await app.put("acme", f"doc-{number % 3}", f"version {number} of a text")
        assert stored.status_code == 200
    took_s = asyncio.get_running_loop().time() - began_s
    await asyncio.sleep(2)
    print(f"120 changes in {took_s:.1f} s: {agent.begun} warmings, {agent.most} at a time")
    assert agent.most == 1
    assert agent.begun <= 2 + took_s / (0.5 + REST_S)


async def test_searches_after_a_change_read_a_collection_once(app: Attacked) -> None:
    """However many wait for it."""
    for number in range(50):
        await app.put("acme", f"doc-{number}", f"reset password {number}")
    await app.answer("acme")
    await app.put("acme", "doc-1", "another text")
    with statements(app.database) as made:
        await asyncio.gather(*(app.answer("acme", f"reset password {number}") for number in range(20)))
    vectors = [statement for statement in made if "embedding" in statement and "chunks" in statement]
    print(f"20 searches after a change: {len(vectors)} statements for vectors, {len(made)} in all")
    assert len(vectors) <= 2


async def test_probes_without_a_key_ask_the_parts_once_a_second(app: Attacked) -> None:
    """A storm on /readyz costs the parts nothing."""
    asked = 0

    async def probe() -> None:
        nonlocal asked
        asked += 1

    services = replace(app.api.app.state.services, readiness=Probes({"engine": probe}))
    transport = httpx.ASGITransport(build_api(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        answers = await asyncio.gather(*(http.get("/readyz") for _ in range(500)))
    assert {answer.status_code for answer in answers} == {200}
    assert asked <= 3


async def test_documents_are_bounded_and_listed_without_their_texts(app: Attacked) -> None:
    """A list of large documents is small."""
    for number in range(20):
        await app.put("acme", f"doc-{number}", f"{number} " + "word " * 20_000)
    listed = await app.call("acme", "GET", "/v1/collections/support_kb/documents", params={"limit": 500})
    assert len(listed.json()["documents"]) == 20
    assert len(listed.content) < 20_000


async def test_no_tenant_stores_more_than_its_quota(app: Attacked) -> None:
    """The documents of others don't count; what exists can still be changed and deleted."""
    limits = LimitStore(app.database, time.time, new_record_id)
    bounds = {Quota.DOCUMENTS: 3, Quota.DOCUMENT_BYTES: 10_000}
    await limits.set_limits(Actor("operator", "req"), TenantId("acme"), bounds)
    for number in range(5):
        await app.put("quiet", f"doc-{number}")
    tried = await asyncio.gather(*(app.put("acme", f"doc-{number}") for number in range(12)))
    assert sorted(answer.status_code for answer in tried) == [200] * 3 + [409] * 9
    stored = [number for number, answer in enumerate(tried) if answer.status_code == 200]
    large = await app.put("acme", f"doc-{stored[0]}", "word " * 5_000)
    assert (large.status_code, "document_bytes" in large.text) == (409, True)
    assert (await app.put("acme", f"doc-{stored[0]}", "changed")).status_code == 200
    path = f"/v1/collections/support_kb/documents/doc-{stored[1]}"
    assert (await app.call("acme", "DELETE", path)).status_code == 200
    assert (await app.put("acme", "another")).status_code == 200
