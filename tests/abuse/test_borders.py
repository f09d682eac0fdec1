"""Nothing that a tenant does changes a byte of what another one is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.abuse.attacked import Attacked, effect_on

pytestmark = pytest.mark.system

WORDS = ["falconmerger", "invoice", "0x8004210B", "config.yaml", "geheim", "重置", "HB-4711", "the"]
READS = [
    *(("GET", "/v1/support/search", {"query": word}) for word in WORDS),
    *(("GET", "/v1/documentation/search", {"query": word}) for word in WORDS),
    ("GET", "/v1/collections/support_kb/documents", {}),
    ("GET", "/v1/collections/support_kb/documents/secret", {}),
    ("DELETE", "/v1/collections/support_kb/documents/secret", {}),
    ("GET", "/v1/quotas", {}),
    ("GET", "/v1/usage", {}),
    ("GET", "/v1/models", {}),
    ("GET", "/readyz", {}),
]


async def told(app: Attacked) -> list[tuple[int, Any]]:
    """All that the quiet tenant can read. What differs from request to request is left out."""
    answers = [await app.call("quiet", method, path, params=query) for method, path, query in READS]
    answered = [await app.answer("quiet", word) for word in WORDS]
    ledgers = [answer.json() for answer in answered]
    for ledger in ledgers:
        for volatile in ("request_id", "timings_ms", "latency_ms", "cache_stats"):
            ledger.pop(volatile)
    quotas = {"quotas", "requests_per_minute"}
    bodies = [answer.json() for answer in answers]
    shown = [body if not quotas & set(body) else sorted(body) for body in bodies]
    return list(zip([a.status_code for a in [*answers, *answered]], [*shown, *ledgers], strict=True))


async def test_another_tenants_words_are_in_no_number(app: Attacked) -> None:
    """Word by word: scores, ranks, counts and citations stay, whatever another tenant stores and deletes."""
    for number, word in enumerate(WORDS):
        for collection in ("support_kb", "documentation"):
            path = f"/v1/collections/{collection}/documents/own-{number}"
            stored = await app.call(
                "quiet", "PUT", path, json={"content": f"{word} {WORDS[number - 1]} text"}
            )
            assert stored.status_code == 200
    await told(app)  # a passage that was asked for before is missed for another reason than a new one
    before = await told(app)
    for number in range(30):
        text = " ".join(WORDS * (1 + number % 3))
        await app.put("acme", f"secret-{number}", text)
        path = f"/v1/collections/documentation/documents/secret-{number}"
        await app.call("acme", "PUT", path, json={"content": text})
    await app.put("acme", "secret", " ".join(WORDS))
    assert await told(app) == before
    for number in range(0, 30, 2):
        await app.call("acme", "DELETE", f"/v1/collections/support_kb/documents/secret-{number}")
    assert await told(app) == before


async def test_another_tenants_document_is_as_if_it_did_not_exist(app: Attacked) -> None:
    """The same status and the same message, for every method."""
    await app.put("acme", "secret")
    for method in ("GET", "DELETE"):
        answers = [
            await app.call("quiet", method, f"/v1/collections/support_kb/documents/{name}")
            for name in ("secret", "nobody")
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        first, second = (answer.json()["error"]["message"] for answer in answers)
        assert first.replace("secret", "nobody") == second


async def test_a_flood_of_questions_leaves_the_other_tenant_its_places(app: Attacked) -> None:
    """Quotas are a tenant's own: the flood gets 429, the other one answers."""
    for tenant in ("acme", "quiet"):
        await app.put(tenant, "own")
    statuses: list[int] = []

    async def attack() -> None:
        for _ in range(4):
            answers = await asyncio.gather(*(app.answer("acme") for _ in range(250)))
            statuses.extend(answer.status_code for answer in answers)

    effect = await effect_on(lambda: app.answer("quiet"), attack())
    assert set(statuses) <= {200, 429}
    assert statuses.count(429) > 0
    assert len(effect.while_s) > 0
