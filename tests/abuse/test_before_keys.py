"""Requests without a valid key cost nothing: nothing of them is read but the head."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.abuse.attacked import JSON, Attacked, effect_on, measured

pytestmark = pytest.mark.system

BODIES = {
    "lists": b"[" + b"[]," * 3_300_000 + b"[]]",
    "messages": b'{"model":"x","messages":[' + b'{"role":1},' * 900_000 + b"{}]}",
    "nested": b"[" * 5_000_000 + b"]" * 5_000_000,
}
PATHS = ("/v1/chat/completions", "/v1/support/answer", "/v1/collections/support_kb/ingest")
UNKNOWN = {"authorization": "Bearer wl-unknown-0123456789"}


@pytest.mark.parametrize("headers", [{}, UNKNOWN], ids=["no key", "unknown key"])
@pytest.mark.parametrize("body", BODIES)
async def test_ten_megabytes_without_a_key(app: Attacked, body: str, headers: dict[str, str]) -> None:
    """Refused before a byte of the body is read; the cost is that of a request without a body."""
    read = 0

    async def sent() -> AsyncIterator[bytes]:
        nonlocal read
        for start in range(0, len(BODIES[body]), 65_536):
            read += 1
            yield BODIES[body][start : start + 65_536]

    for path in PATHS:
        await app.call(None, "POST", path, headers=headers)
        with measured() as empty:
            await app.call(None, "POST", path, headers=headers)
        with measured() as cost:
            response = await app.call(None, "POST", path, content=sent(), headers=JSON | headers)
        assert response.status_code == 401
        assert read == 0
        print(f"{path} {body}: {1000 * cost.cpu_s:.2f} ms, {1000 * empty.cpu_s:.2f} ms without a body")
        assert cost.cpu_s <= 10 * empty.cpu_s + 0.001


async def test_many_requests_without_a_key_stop_nobody(app: Attacked) -> None:
    """A thousand of them, one after the other; callers with a key are served meanwhile."""

    async def attack() -> None:
        for number in range(1000):
            headers = JSON | ({} if number % 2 else {"authorization": f"Bearer wl-guess-{number:016}"})
            response = await app.call(None, "POST", PATHS[0], content=BODIES["lists"], headers=headers)
            assert response.status_code == 401

    effect = await effect_on(lambda: app.call("quiet", "GET", "/v1/models"), attack())
    assert max(effect.while_s) < 1


@pytest.mark.parametrize(
    "headers",
    [
        {"content-length": "99999999999"},
        {"authorization": "Bearer " + "x" * 60_000},
        {"x-request-id": "x" * 60_000},
        {"x-business-id": "quiet"},
        {"x-business-id": "../quiet"},
        {"traceparent": "00-" + "0" * 60_000},
        {"x-request-timeout-seconds": "1e999"},
    ],
)
async def test_headers_are_only_labels(app: Attacked, headers: dict[str, str]) -> None:
    """No header makes a request without a key costly, or another tenant's."""
    costs = []
    for _ in range(3):  # a collection of garbage can fall into one of them
        with measured() as cost:
            response = await app.call(None, "GET", "/v1/models", headers=headers)
        assert response.status_code == 401
        assert len(response.content) < 500
        costs.append(cost.cpu_s)
    assert min(costs) < 0.1
    asked = await app.call("acme", "GET", "/v1/quotas", headers={"x-business-id": "quiet"})
    assert asked.status_code == 403
