"""The business agent in the running application: recalled templates, and an idea by the real model."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.application.running import Application

TEMPLATES, IDEAS = "/v1/business/templates", "/v1/business/ideas"
TENANT = {"x-business-id": "business-inc"}
LEARNER = {"x-business-id": "learner-inc"}
TEMPLATE = {
    "business_type": "Boat Rental",
    "template_data": {
        "name": "Kingfisher canoes",
        "summary": "Kingfisher rents canoes by the hour on a lake.",
    },
    "success_metrics": {"success_score": 0.91, "monthly_revenue_usd": 8150},
}
SCORES = ("revenue_score", "market_trend_score", "differentiation_score", "overall_score")


def test_a_stored_template_is_answered_from_in_the_next_call(application: Application) -> None:
    """By its record, by the cached recall, whose segment is stored already, and by a chat."""
    made = application.http.post(TEMPLATES, json=TEMPLATE, headers=TENANT)
    assert made.status_code == 201, made.text
    template_id = made.json()["template_id"]
    params = {"business_type": "boat_rental"}
    listed = application.http.get(TEMPLATES, params=params, headers=TENANT).json()["templates"]
    assert [template["template_id"] for template in listed] == [template_id]
    asked = {"business_type": "boat rental", "max_tokens": 8, "temperature": 0}
    answer = application.http.post(f"{TEMPLATES}/recall", json=asked, headers=TENANT).json()
    assert [citation["doc_id"] for citation in answer["citations"]] == [template_id]
    assert answer["templates"]
    assert answer["cache_hit"]
    assert answer["reuse"]["tokenized"] == 0
    assert application.http.get(f"{TEMPLATES}/{template_id}").status_code == 404  # of another tenant


def test_the_samples_are_recalled_by_success(application: Application) -> None:
    params: dict[str, Any] = {"business_type": "saas", "top_k": 2}
    best = application.http.get(TEMPLATES, params=params).json()["templates"]
    scores = [template["success_metrics"]["success_score"] for template in best]
    assert len(scores) == 2
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= 0.7


@pytest.mark.timeout(300)
def test_an_idea_is_written_by_the_model_and_scored_by_what_is_stored(application: Application) -> None:
    """It has all fields of the schema, was made from templates with cached segments, and is stored."""
    for number in range(3):  # of a tenant of its own: other tests clear the samples' segments
        stored = application.http.post(TEMPLATES, json=_numbered(number), headers=LEARNER)
        assert stored.status_code == 201, stored.text
    asked = {"business_type": "saas", "min_revenue_score": 0}
    made = application.http.post(IDEAS, json=asked, headers=LEARNER, timeout=280)
    assert made.status_code == 201, made.text
    idea = made.json()
    assert (idea["business_type"], idea["met_threshold"], idea["stopped_by"]) == ("saas", True, "threshold")
    assert len(idea["learned_from"]) == 3
    assert idea["reuse"]["segments"] >= 3
    assert idea["reuse"]["tokenized"] == 0
    assert all(0 <= idea[name] <= 100 for name in SCORES)
    assert set(idea["score_explanation"]) == set(SCORES)
    assert "similarity" in idea["score_explanation"]["revenue_score"]
    assert 3 <= len(idea["mvp_features"]) <= 5
    kept = application.http.get(f"{IDEAS}/{idea['idea_id']}", headers=LEARNER).json()
    assert kept["name"] == idea["name"]
    listed = application.http.get(IDEAS, headers=LEARNER).json()["ideas"]
    assert idea["idea_id"] in [known["idea_id"] for known in listed]


def _numbered(number: int) -> dict[str, Any]:
    data = {
        "name": f"Ledger {number}",
        "summary": f"A subscription for {number + 2} bookkeepers who share one office and one client list.",
    }
    return {"business_type": "saas", "template_data": data, "success_metrics": {"success_score": 0.9}}
