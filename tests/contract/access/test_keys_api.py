"""The life of an API key over HTTP, with two ingress replicas."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from deployments.access.key_store import KeyStore
from serve_app.stored_keys import MAX_AGE_S
from tests.unit.serve_app.fake_services import Api, error_of

OPERATOR = "operator-key-0123456789"
ACME_ROOT = "acme-root-key-0123456789"
SETTINGS: dict[str, Any] = {"api_keys": f"{OPERATOR}=*,{ACME_ROOT}=acme"}


@pytest.fixture
def store(store: KeyStore) -> KeyStore:
    """By the real clock, which expiry over HTTP goes by."""
    return KeyStore(store.database, time.time, store.new_record_id)


@pytest.fixture
def first(store: KeyStore) -> Api:
    return Api(key_desk=store, **SETTINGS)


@pytest.fixture
def second(store: KeyStore) -> Api:
    return Api(key_desk=store, **SETTINGS)


async def call(
    api: Api, method: str, path: str, key: str, tenant: str | None = None, **more: Any
) -> httpx.Response:
    named = {} if tenant is None else {"x-business-id": tenant}
    headers = {"authorization": f"Bearer {key}", **named}
    return await api.http.request(method, path, headers=headers, **more)


async def made(api: Api, key: str = ACME_ROOT, tenant: str | None = None, **body: Any) -> dict[str, Any]:
    response = await call(api, "POST", "/v1/keys", key, tenant, json={"name": "frontend", **body})
    assert response.status_code == 201, response.text
    issued: dict[str, Any] = response.json()
    return issued


async def status(api: Api, key: str, method: str = "GET", path: str = "/v1/models", **more: Any) -> int:
    return (await call(api, method, path, key, **more)).status_code


async def test_a_new_key_works_on_every_replica_at_once(first: Api, second: Api) -> None:
    """Its secret is in one response only."""
    issued = await made(first)
    assert await status(first, issued["secret"]) == 200
    assert await status(second, issued["secret"]) == 200
    listed = (await call(first, "GET", "/v1/keys", ACME_ROOT)).json()
    assert [key["key_id"] for key in listed["keys"]] == [issued["key_id"]]
    assert issued["secret"] not in str(listed)
    assert listed["keys"][0] == {name: value for name, value in issued.items() if name != "secret"}


async def test_a_revoked_key_is_refused_on_every_replica_within_two_seconds(first: Api, second: Api) -> None:
    """Replicas that used it a moment ago included."""
    issued = await made(first)
    assert await status(second, issued["secret"]) == 200
    revoked = await call(first, "DELETE", f"/v1/keys/{issued['key_id']}", ACME_ROOT)
    assert revoked.json()["revoked_at"] is not None
    assert MAX_AGE_S < 2
    for api in (first, second):
        api.expire_keys(MAX_AGE_S + 0.01)
        assert await status(api, issued["secret"]) == 401


async def test_a_rotated_key_has_a_new_secret(first: Api) -> None:
    """The former one is refused, or kept for a time."""
    issued = await made(first)
    path = f"/v1/keys/{issued['key_id']}/rotation"
    kept = (await call(first, "POST", path, ACME_ROOT, json={"keep_former_s": 600})).json()
    first.expire_keys(MAX_AGE_S + 0.01)
    assert await status(first, issued["secret"]) == await status(first, kept["secret"]) == 200
    last = (await call(first, "POST", path, ACME_ROOT)).json()
    first.expire_keys(MAX_AGE_S + 0.01)
    assert [await status(first, key["secret"]) for key in (issued, kept, last)] == [401, 401, 200]


async def test_a_key_does_only_what_its_scopes_allow(first: Api) -> None:
    """The error names the scope that is missing."""
    ask = (await made(first))["secret"]
    write = (await made(first, scopes=["write"]))["secret"]
    admin = (await made(first, scopes=["admin"]))["secret"]
    path = "/v1/collections/support_kb/documents/a"
    document: dict[str, Any] = {"method": "PUT", "path": path, "json": {"content": "# A\n\ntext"}}
    assert await status(first, ask) == 200
    assert await status(first, ask, **document) == 403
    assert await status(first, write, **document) == 200
    assert await status(first, write) == 403
    assert await status(first, write, path="/v1/keys") == 403
    assert await status(first, admin, path="/v1/keys") == 200
    assert await status(first, admin) == 403
    refused = await call(first, "GET", "/v1/audit", ask)
    assert "scope admin" in error_of(refused)["message"]


async def test_a_tenants_administrator_manages_its_own_keys_only(first: Api) -> None:
    """The operator's key acts for the tenant in the header."""
    other = await made(first, OPERATOR, "other", scopes=["admin"])
    acme = await made(first)
    path = f"/v1/keys/{acme['key_id']}"
    assert await status(first, other["secret"], "DELETE", path) == 404
    assert await status(first, other["secret"], path="/v1/keys", tenant="acme") == 403
    listed = (await call(first, "GET", "/v1/keys", OPERATOR, "other")).json()["keys"]
    assert [key["key_id"] for key in listed] == [other["key_id"]]
    assert listed[0]["tenant"] == "other"


async def test_the_audit_names_key_request_and_object(first: Api) -> None:
    """For the tenant; newest first, in pages."""
    issued = await made(first, scopes=["admin"])
    await call(first, "DELETE", f"/v1/keys/{issued['key_id']}", issued["secret"])
    page = (await call(first, "GET", "/v1/audit?limit=1", ACME_ROOT)).json()
    assert page["entries"][0]["action"] == "keys.revoke"
    assert page["entries"][0]["key_id"] == page["entries"][0]["subject"] == issued["key_id"]
    older = (await call(first, "GET", f"/v1/audit?before={page['next']}", ACME_ROOT)).json()
    assert [entry["action"] for entry in older["entries"]] == ["keys.create"]
    assert (await call(first, "GET", "/v1/audit", OPERATOR, "other")).json()["entries"] == []


async def test_a_key_expires(first: Api, store: KeyStore) -> None:
    """By the replica's clock."""
    issued = await made(first, expires_in_s=3600)
    first.key_clock_ahead_s += 3599
    assert await status(first, issued["secret"]) == 200
    first.key_clock_ahead_s += 2
    assert await status(first, issued["secret"]) == 401


async def test_a_server_without_keys_makes_none(store: KeyStore) -> None:
    """They would protect nothing; the error says what to set."""
    response = await Api(key_desk=store).http.post("/v1/keys", json={"name": "x"})
    assert response.status_code == 409
    assert "WARMLINE_API_KEYS" in error_of(response)["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "x" * 101},
        {"name": "a\nb"},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["root"]},
        {"name": "x", "scopes": ["ask"] * 1000},
        {"name": "x", "expires_in_s": 0},
        {"name": "x", "expires_in_s": 1e12},
        {"name": "x", "tenant": "other"},
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(first: Api, body: dict[str, Any]) -> None:
    """Nothing is made."""
    assert (await call(first, "POST", "/v1/keys", ACME_ROOT, json=body)).status_code == 400
    assert (await call(first, "GET", "/v1/keys", ACME_ROOT)).json()["keys"] == []
