"""Erasures over HTTP: what they erase, and how one that takes long is followed."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.core.erasure import ErasureKind, ErasureTarget
from deployments.core.ids import CollectionName
from tests.unit.serve_app.fake_services import Api, error_of

KEY = "acme-root-key-0123456789"
KB = CollectionName("support_kb")
TARGETS: list[tuple[dict[str, str], ErasureTarget]] = [
    ({"kind": "customer", "user_id": "ann"}, ErasureTarget(ErasureKind.CUSTOMER, subject="ann")),
    (
        {"kind": "document", "collection": KB, "doc_id": "guide/a"},
        ErasureTarget(ErasureKind.DOCUMENT, KB, "guide/a"),
    ),
    ({"kind": "collection", "collection": KB}, ErasureTarget(ErasureKind.COLLECTION, KB)),
    ({"kind": "tenant", "confirm": "acme"}, ErasureTarget(ErasureKind.TENANT)),
]


@pytest.fixture
def api() -> Api:
    """An API whose tenant is acme."""
    made = Api(api_keys=f"{KEY}=acme")
    made.http.headers["authorization"] = f"Bearer {KEY}"
    return made


@pytest.mark.parametrize(("body", "target"), TARGETS)
async def test_an_erasure_says_what_is_gone_and_what_stays_where_nobody_reaches_it(
    api: Api, body: dict[str, str], target: ErasureTarget
) -> None:
    answer = await api.http.post("/v1/erasures", json=body)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    assert (shown["state"], shown["removed"]) == ("done", {"tickets": 3})
    assert {"kv_blocks", "question_logs"} <= {*shown["unreachable"]}
    assert ("api_keys" in shown["kept"]) == (target.kind is ErasureKind.TENANT)
    ((actor, tenant, asked),) = api.erasures.asked
    assert (tenant, asked) == ("acme", target)
    assert actor.request_id == answer.headers["x-request-id"]


async def test_one_that_takes_long_is_followed(api: Api) -> None:
    api.erasures.slow = True
    answer = await api.http.post("/v1/erasures", json=TARGETS[0][0])
    assert (answer.status_code, answer.json()["state"]) == (202, "running")
    later = await api.http.get(f"/v1/erasures/{answer.json()['erasure_id']}")
    assert (later.status_code, later.json()["state"]) == (200, "done")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "tenant", "confirm": "other"}, 400),
        ({"kind": "tenant"}, 400),
        ({"kind": "collection", "collection": "unknown"}, 404),
        ({"kind": "collection", "collection": "~salt"}, 404),
        ({"kind": "document", "collection": KB, "doc_id": "../x"}, 400),
        ({"kind": "planet"}, 400),
        ({"kind": "customer", "user_id": "a\0b"}, 400),
        ({"kind": "customer", "user_id": " "}, 400),
        ({"kind": "customer", "user_id": "ann", "more": 1}, 400),
    ],
)
async def test_a_target_that_is_none_erases_nothing(api: Api, body: dict[str, str], status: int) -> None:
    answer = await api.http.post("/v1/erasures", json=body)
    assert answer.status_code == status
    error_of(answer)
    assert api.erasures.asked == []


async def test_another_tenant_s_erasure_is_none(api: Api) -> None:
    other = Api()
    made = await other.http.post("/v1/erasures", json=TARGETS[0][0], headers={"x-business-id": "other"})
    answer = await other.http.get(f"/v1/erasures/{made.json()['erasure_id']}")
    assert error_of(answer)["code"] == "not_found"
