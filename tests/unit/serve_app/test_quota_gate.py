"""Requests of a tenant that has used up a quota are refused, with what a client needs to know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest

from deployments.access.local_spending import LocalSpending
from deployments.core.errors import CacheUnavailable, KnowledgeUnavailable
from deployments.core.ids import TenantId
from deployments.core.quotas import RULES, Claim, Decision, LimitChange, Quota, Used
from serve_app.route_needs import claimed_quotas
from serve_app.spending import ReplicaSpending
from serve_app.stored_limits import FRESH_S, StoredLimits
from tests.unit.rag.rig import Rig
from tests.unit.serve_app.fake_services import Api, error_of

DEFAULT = TenantId("default")
ASK = {"query": "How do I reset my password?"}


class Limits:
    """A `QuotaDesk` that reads. It raises `fault` while that is set, and counts its readings."""

    def __init__(self, tenant: str = "default", **limits: int) -> None:
        self.changes = {Quota(name): limit for name, limit in limits.items()}
        self.tenant = TenantId(tenant)
        self.fault: Exception | None = None
        self.readings: list[float] = []

    async def limit_changes(self, since_s: float) -> tuple[LimitChange, ...]:
        self.readings.append(since_s)
        if self.fault is not None:
            raise self.fault
        return tuple(LimitChange(self.tenant, quota, limit, 1e9) for quota, limit in self.changes.items())

    async def limits(self, tenant: TenantId) -> Mapping[Quota, int]:
        return {quota: rule.default for quota, rule in RULES.items()} | self.changes


def limited(rig: Rig | None = None, **limits: Any) -> Api:
    desk: Any = Limits(**limits)
    return Api(rig=rig, limits=desk)


async def test_a_request_too_many_gets_429_with_the_quota_and_when_to_try_again() -> None:
    """And OpenAI's headers, as every response has them."""
    api = limited(requests_per_minute=2)
    first = await api.http.get("/v1/models")
    assert (first.status_code, first.headers["x-ratelimit-limit-requests"]) == (200, "2")
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert 0 < float(first.headers["x-ratelimit-reset-requests"].removesuffix("s")) <= 60
    assert "x-ratelimit-limit-tokens" not in first.headers
    await api.http.get("/v1/models")
    refused = await api.http.get("/v1/models")
    assert refused.status_code == 429
    error = error_of(refused)
    assert (error["code"], error["param"]) == ("quota_exceeded", "requests_per_minute")
    assert "requests_per_minute" in error["message"]
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert (await api.http.get("/v1/models", headers={"x-business-id": "other"})).status_code == 200
    assert (await api.http.get("/healthz")).status_code == 200


async def test_answers_show_the_token_quota_that_has_the_least_left() -> None:
    """A tenant without tokens can still read."""
    api = limited(completion_tokens_per_minute=300)
    answer = await api.http.post("/v1/support/answer", json=ASK)
    assert answer.headers["x-ratelimit-limit-tokens"] == "300"
    assert answer.headers["x-ratelimit-remaining-tokens"] == "50"
    broke = limited(prompt_tokens_per_day=10)
    refused = await broke.http.post("/v1/support/answer", json=ASK)
    assert error_of(refused)["param"] == "prompt_tokens_per_day"
    assert int(refused.headers["retry-after"]) <= 86_400
    assert (await broke.http.get("/v1/models")).status_code == 200


async def test_a_place_is_free_after_the_answer() -> None:
    """Or after the request has failed."""
    api = limited(requests_in_flight=1)
    for path in ("/v1/models", "/v1/models", "/v1/models/nobody", "/v1/models"):
        assert (await api.http.get(path)).status_code in {200, 404}
        await asyncio.sleep(0)
    body = b"x" * 20_000_000
    large = await api.http.put(
        "/v1/collections/support_kb/documents/d", content=body, headers={"Content-Type": "text/markdown"}
    )
    assert large.status_code == 413
    await asyncio.sleep(0)
    assert (await api.http.get("/v1/models")).status_code == 200


async def test_a_stream_holds_its_place_to_its_end() -> None:
    """Other requests of the tenant are refused meanwhile."""
    api = limited(requests_in_flight=1)
    release = asyncio.Event()
    original = api.support.stream

    async def held(ask: Any) -> Any:
        async for event in original(ask):
            await release.wait()
            yield event

    api.support.stream = held  # type: ignore[method-assign]
    running = asyncio.create_task(api.http.post("/v1/support/answer", json=ASK | {"stream": True}))
    await asyncio.sleep(0.05)
    refused = await api.http.get("/v1/models")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert error_of(refused)["param"] == "requests_in_flight"
    release.set()
    assert (await running).status_code == 200
    await asyncio.sleep(0)
    assert (await api.http.get("/v1/models")).status_code == 200


async def test_quotas_are_shown(api: Api) -> None:
    """With what is used, where that is counted here."""
    await api.http.get("/v1/models")
    await asyncio.sleep(0)
    shown = (await api.http.get("/v1/quotas")).json()["quotas"]
    assert shown.keys() == {quota.value for quota in Quota}
    assert shown["requests_per_minute"]["used"] == 2
    assert shown["requests_per_minute"]["limit"] == RULES[Quota.REQUESTS_PER_MINUTE].default
    assert shown["requests_in_flight"] == {"limit": 192, "used": 1, "resets_in_s": None}


async def test_limits_without_keys_would_protect_nothing(api: Api) -> None:
    """As keys would."""
    response = await api.http.put("/v1/quotas", json={"limits": {"documents": 1}})
    assert response.status_code == 409


SPEC = Api().app.openapi()


def operations() -> list[tuple[str, str]]:
    return [(method.upper(), path) for path, methods in SPEC["paths"].items() for method in methods]


def generates(method: str, path: str) -> bool:
    """Whether a request's body says how much to generate."""
    body = SPEC["paths"][path][method.lower()].get("requestBody", {}).get("content", {})
    reference = body.get("application/json", {}).get("schema", {}).get("$ref", "")
    schema = SPEC["components"]["schemas"].get(reference.rsplit("/", 1)[-1], {})
    return bool({"max_tokens", "max_output_tokens", "max_attempts"} & set(schema.get("properties", {})))


@pytest.mark.parametrize(("method", "path"), operations())
def test_each_route_claims_the_quotas_that_it_uses(method: str, path: str) -> None:
    """A new route that asks the model or takes a file is in the tables, or this fails."""
    claimed = set(claimed_quotas(method, path))
    assert (Quota.PROMPT_TOKENS_PER_DAY in claimed) == generates(method, path)
    assert (Quota.WARM_UP_TOKENS_PER_DAY in claimed) == (path == "/v1/cache/warm")
    takes_file = (method == "PUT" and "document" in path) or path.endswith(("/images", "/ingest"))
    assert (Quota.UPLOADS_IN_FLIGHT in claimed) == takes_file
    # The operator sees the metrics also while a tenant has used up its quotas.
    counted = {Quota.REQUESTS_IN_FLIGHT, Quota.REQUESTS_PER_MINUTE} <= claimed
    assert counted == (path != "/metrics")


class DownRedis(LocalSpending):
    """A shared `Spending` that fails while `down`."""

    down = False

    async def claim(self, claim: Claim) -> Decision:
        if self.down:
            raise CacheUnavailable("down")
        return await super().claim(claim)

    async def release(self, claim: Claim) -> None:
        if self.down:
            raise CacheUnavailable("down")
        await super().release(claim)

    async def used(self, tenant: TenantId) -> Mapping[Quota, Used]:
        if self.down:
            raise CacheUnavailable("down")
        return await super().used(tenant)


async def test_without_redis_each_replica_counts_for_itself() -> None:
    """The limits hold there too, and counts in Redis are used again when it is back."""
    shared = DownRedis(60.0, time.time)
    opened = 0

    async def open_shared() -> DownRedis:
        nonlocal opened
        opened += 1
        return shared

    spending = ReplicaSpending(open_shared, LocalSpending(60.0, time.time))
    flight = Quota.REQUESTS_IN_FLIGHT

    def claim(name: str) -> Claim:
        return Claim(DEFAULT, name, {flight: 1}, {flight: 2})

    assert (await spending.claim(claim("a"))).refused is None
    shared.down = True
    found = [(await spending.claim(claim(name))).refused for name in "bcd"]
    assert found == [None, None, flight]
    for name in "abc":
        await spending.release(claim(name))
    assert (await spending.used(DEFAULT))[flight].amount == 0
    shared.down = False
    assert (await spending.used(DEFAULT))[flight].amount == 1, "until it expires"
    assert opened == 1


async def test_limits_are_read_again_and_kept_while_they_cannot_be_read() -> None:
    """Requests wait for the first reading only."""
    now_s = 0.0
    desk: Any = Limits(requests_per_minute=5)
    limits = StoredLimits(desk, lambda: now_s)
    await limits.ready()
    assert limits.limit(DEFAULT, Quota.REQUESTS_PER_MINUTE) == 5
    assert limits.limit(TenantId("other"), Quota.REQUESTS_PER_MINUTE) == 60_000
    desk.changes = {Quota.REQUESTS_PER_MINUTE: None}
    await limits.ready()
    assert len(desk.readings) == 1
    desk.fault = KnowledgeUnavailable("down")
    now_s += FRESH_S + 0.1
    await limits.ready()
    await asyncio.sleep(0)
    assert limits.limit(DEFAULT, Quota.REQUESTS_PER_MINUTE) == 5
    desk.fault = None
    now_s += FRESH_S + 0.1
    await limits.ready()
    await asyncio.sleep(0)
    assert limits.limit(DEFAULT, Quota.REQUESTS_PER_MINUTE) == 60_000
    assert desk.readings == [0.0, 1e9 - 60, 1e9 - 60]
