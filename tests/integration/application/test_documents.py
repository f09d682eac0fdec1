"""Documents put in, changed and taken out while questions are asked; two tenants with the same names."""

from __future__ import annotations

from array import array

from deployments.token_cache.encoder import BundleEncoder
from tests.integration.application.running import Application

BADGE = "Lost visitor badges are replaced at the {place} desk within {hours} hours."
QUESTION = "Where are lost visitor badges replaced?"


def test_an_answer_never_uses_text_from_before_an_update(
    application: Application, encoder: BundleEncoder
) -> None:
    """Neither after an update nor after a deletion has returned."""
    created = application.put("badges", BADGE.format(place="north", hours=3), "badges-inc")
    assert created["version"] == 1
    assert created["tokens_written"] > 0
    assert "north desk" in _prompt(application, encoder)
    updated = application.put("badges", BADGE.format(place="south", hours=4), "badges-inc")
    assert (updated["version"], updated["invalidated"]) == (2, 1)
    assert "north desk" not in (prompt := _prompt(application, encoder))
    assert "south desk" in prompt
    deleted = application.http.delete(
        "/v1/collections/support_kb/documents/badges", headers={"x-business-id": "badges-inc"}
    )
    assert deleted.json()["invalidated"] == 1
    assert application.ask(QUESTION, "badges-inc")["citations"] == []


def test_two_tenants_with_the_same_document_share_nothing(application: Application) -> None:
    """Not its text, not its tokens, and not its KV: the second tenant's first prompt is all computed."""
    text = BADGE.format(place="east", hours=5) + " Bring a photo ID." * 20
    for tenant in ("left-inc", "right-inc"):
        application.put("badges", text, tenant)
    left = [application.ask(QUESTION, "left-inc") for _ in range(2)]
    right = application.ask(QUESTION, "right-inc")
    assert left[1]["reuse"]["kv_cached_tokens"] > 0
    assert right["prompt_token_ids"] == left[0]["prompt_token_ids"]
    assert right["reuse"]["kv_cached_tokens"] == 0
    assert right["reuse"]["l1"] == 0
    cleared = application.http.post("/v1/cache/clear", json={}, headers={"x-business-id": "left-inc"}).json()
    assert cleared["cleared"] == 1
    assert application.ask(QUESTION, "right-inc")["cache_hit"]


def test_what_cannot_be_read_is_refused_by_name_and_not_stored(application: Application) -> None:
    """A damaged PDF, an unknown type, an unknown collection, an id with a backslash."""
    put = application.http.put
    base = "/v1/collections/support_kb/documents"
    broken = put(f"{base}/broken", content=b"%PDF-1.7 nothing", headers={"content-type": "application/pdf"})
    assert broken.status_code == 422
    assert "broken" in broken.json()["error"]["message"]
    assert application.http.get(f"{base}/broken").status_code == 404
    assert put(f"{base}/x", content=b"x", headers={"content-type": "image/png"}).status_code == 415
    assert put("/v1/collections/nowhere/documents/x", json={"content": "x"}).status_code == 404
    assert put(f"{base}/a%5Cb", json={"content": "x"}).status_code == 400


def _prompt(application: Application, encoder: BundleEncoder) -> str:
    answer = application.ask(QUESTION, "badges-inc")
    return encoder.decode(array("I", answer["prompt_token_ids"]))
