"""Limits and usage over HTTP: who may set and read what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from deployments.access.key_store import KeyStore
from deployments.access.limit_store import LimitStore
from deployments.access.usage_store import UsageStore
from deployments.core.ids import TenantId
from deployments.core.usage import DAY_S, Account, Amounts, UsageBatch
from tests.unit.serve_app.fake_services import Api, error_of

OPERATOR = "operator-key-0123456789"
ACME_ROOT = "acme-root-key-0123456789"
TODAY = int(datetime.now(UTC).timestamp() // DAY_S)


@pytest.fixture
def api(store: KeyStore) -> Api:
    limits = LimitStore(store.database, store.clock, store.new_record_id)
    return Api(
        key_desk=store,
        limits=limits,
        usage=UsageStore(store.database),
        api_keys=f"{OPERATOR}=*,{ACME_ROOT}=acme",
    )


async def call(api: Api, method: str, path: str, key: str, **more: Any) -> httpx.Response:
    named = {"x-business-id": "acme"} if key == OPERATOR else {}
    return await api.http.request(method, path, headers={"authorization": f"Bearer {key}", **named}, **more)


async def test_only_the_operator_sets_limits(api: Api, store: KeyStore) -> None:
    """A tenant reads its own; the change is in the tenant's audit."""
    body = {"limits": {"requests_per_minute": 600, "documents": 5}}
    assert (await call(api, "PUT", "/v1/quotas", ACME_ROOT, json=body)).status_code == 403
    changed = await call(api, "PUT", "/v1/quotas", OPERATOR, json=body)
    assert changed.status_code == 200, changed.text
    assert changed.json()["limits"]["requests_per_minute"] == 600
    shown = (await call(api, "GET", "/v1/quotas", ACME_ROOT)).json()["quotas"]
    assert (shown["requests_per_minute"]["limit"], shown["documents"]["limit"]) == (600, 5)
    (entry,) = (await call(api, "GET", "/v1/audit", ACME_ROOT)).json()["entries"]
    assert entry["action"] == "quotas.set"


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"requests": 5},
        {"documents": -1},
        {"documents": 2**60},
        {"documents": "many"},
        {str(n): 1 for n in range(999)},
    ],
)
async def test_limits_that_cannot_be_are_refused(api: Api, limits: dict[str, Any]) -> None:
    response = await call(api, "PUT", "/v1/quotas", OPERATOR, json={"limits": limits})
    assert response.status_code == 400


async def test_a_limit_that_was_set_holds_for_requests(api: Api, store: KeyStore) -> None:
    """As soon as a replica has read it."""
    await call(api, "PUT", "/v1/quotas", OPERATOR, json={"limits": {"requests_per_minute": 0}})
    second = Api(
        key_desk=store,
        limits=LimitStore(store.database, store.clock, store.new_record_id),
        api_keys=f"{ACME_ROOT}=acme",
    )
    refused = await call(second, "GET", "/v1/models", ACME_ROOT)
    assert refused.status_code == 429
    assert error_of(refused)["param"] == "requests_per_minute"


async def report(api: Api, key: str, **query: Any) -> httpx.Response:
    return await call(api, "GET", "/v1/usage", key, params=query)


async def test_usage_is_summed_for_the_tenant_or_for_all(api: Api, store: KeyStore) -> None:
    """All tenants' only for the operator; as JSON or as CSV."""
    amounts = Amounts(2, 30, 40, 5)
    accounts = [Account(TODAY, TenantId(name), "k", "support") for name in ("acme", "other")]
    batch = UsageBatch("w", 1, TODAY, [(account, amounts) for account in accounts])
    await UsageStore(store.database).record_usage(batch)
    (own,) = (await report(api, ACME_ROOT)).json()["usage"]
    assert own == {
        "day": datetime.now(UTC).date().isoformat(),
        "tenant": None,
        "key": None,
        "agent": None,
        "requests": 2,
        "prompt_tokens_computed": 30,
        "prompt_tokens_reused": 40,
        "completion_tokens": 5,
    }
    assert (await report(api, ACME_ROOT, all_tenants=True)).status_code == 403
    table = await report(api, OPERATOR, all_tenants=True, by=["tenant", "agent"], format="csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text.splitlines() == [
        "day,tenant,key,agent,requests,prompt_tokens_computed,prompt_tokens_reused,completion_tokens",
        ",acme,,support,2,30,40,5",
        ",other,,support,2,30,40,5",
    ]


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-01-02", "to": "2026-01-01"},
        {"from": "2020-01-01", "to": "2026-01-01"},
        {"from": "x"},
        {"by": "document"},
        {"by": ["day"] * 9},
        {"format": "xml"},
    ],
)
async def test_reports_that_cannot_be_are_refused(api: Api, query: dict[str, Any]) -> None:
    assert (await report(api, ACME_ROOT, **query)).status_code == 400


async def test_usage_of_any_day_is_readable(api: Api) -> None:
    """The first and the last that a date can name included."""
    for day in ("0001-01-01", "1970-01-01", "9999-12-31"):
        assert (await report(api, ACME_ROOT, to=day)).status_code == 200
