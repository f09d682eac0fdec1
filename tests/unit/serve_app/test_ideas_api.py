"""The routes of ideas: shapes, pages, refusals, repeated calls."""

from __future__ import annotations

import pytest

from deployments.core.errors import DeadlineExceeded, Overloaded
from tests.fake_business import a_template, an_idea, written
from tests.unit.serve_app.fake_services import error_of

IDEAS = "/v1/business/ideas"
FIELDS = {
    "idea_id",
    "name",
    "business_type",
    "description",
    "target_audience",
    "monetization_model",
    "mvp_features",
    "tech_stack",
    "success_metrics",
    "revenue_score",
    "market_trend_score",
    "differentiation_score",
    "overall_score",
    "generated_at",
    "score_explanation",
}
REPORT = {
    "min_revenue_score",
    "met_threshold",
    "attempts",
    "stopped_by",
    "failures",
    "learned_from",
    "reuse",
    "request_id",
}


async def generate(api, path="", headers=None, **body):
    response = await api.http.post(f"{IDEAS}{path}", json=body, headers=headers)
    assert response.status_code == 201, response.text
    return response.json()


async def test_an_idea_has_all_fields_and_says_how_it_came_about(api):
    await api.ideas.memory.put_template("default", "t", a_template("Alpha", 0.9))
    api.ideas.engine.answers = [written(an_idea(1))]
    idea = await generate(api, business_type="SaaS", min_revenue_score=0)
    assert set(idea) == FIELDS | REPORT
    assert (idea["name"], idea["business_type"], idea["mvp_features"]) == (
        "Idea1 name1",
        "saas",
        ["feature1x0", "feature1x1", "feature1x2"],
    )
    scores = [idea[f"{name}_score"] for name in ("revenue", "market_trend", "differentiation", "overall")]
    assert all(0 <= score <= 100 for score in scores)
    assert set(idea["score_explanation"]) == {
        "revenue_score",
        "market_trend_score",
        "differentiation_score",
        "overall_score",
    }
    assert (idea["met_threshold"], idea["attempts"], idea["learned_from"]) == (True, 1, ["t"])
    assert idea["generated_at"] == "1970-01-01T00:16:40Z"
    assert idea["reuse"]["segments"] == 1


async def test_a_stored_idea_is_read_and_listed(api):
    """Without the figures of its generation."""
    made = await generate(api, business_type="saas", user_id="ann")
    found = (await api.http.get(f"{IDEAS}/{made['idea_id']}")).json()
    assert found == {name: made[name] for name in FIELDS} | {"user_id": "ann"}
    assert (await api.http.get(IDEAS)).json() == {"ideas": [found], "next": None}


async def test_pages_end_where_the_ideas_end(api):
    made = [(await generate(api, business_type="saas"))["idea_id"] for _ in range(3)][::-1]

    async def page(**params):
        body = (await api.http.get(IDEAS, params=params)).json()
        return [idea["idea_id"] for idea in body["ideas"]], body["next"]

    assert await page(limit=2) == (made[:2], made[1])
    assert await page(limit=2, after=made[1]) == (made[2:], None)
    assert await page(limit=3) == (made, None)
    assert await page(limit=500) == (made, None)


async def test_a_batch_is_sorted_and_of_the_given_types(api):
    batch = await generate(api, "/batch", count=3, business_types=["saas", "Retail"])
    assert batch["missing"] == []
    assert sorted(idea["business_type"] for idea in batch["ideas"]) == ["retail", "saas", "saas"]
    assert len({idea["name"] for idea in batch["ideas"]}) == 3
    scores = [idea["overall_score"] for idea in batch["ideas"]]
    assert scores == sorted(scores, reverse=True)


async def test_a_batch_says_what_is_missing(api):
    api.ideas.engine.answers = [Overloaded("the engine is full")]
    batch = await generate(api, "/batch", count=2, business_types=["saas"])
    assert (len(batch["ideas"]), batch["missing"]) == (1, ["saas: the engine is full"])


async def test_what_is_asked_for_reaches_the_agent(api):
    """Each field has its effect."""
    await api.ideas.memory.put_template("default", "t", a_template("Alpha", 0.9))
    plain = {"business_type": "saas", "min_revenue_score": 100, "max_attempts": 2}
    idea = await generate(api, **plain)
    assert (idea["attempts"], idea["met_threshold"], idea["min_revenue_score"]) == (2, False, 100)
    assert (await generate(api, **plain, learn_from_past=False))["learned_from"] == []
    forgotten = await generate(api, **plain, enable_memory=False)
    assert (forgotten["idea_id"], forgotten["stopped_by"]) == (None, "no_evidence")
    await api.ideas.memory.put_template("default", "t", a_template("Alpha", 0.9, user_id="bob"))
    assert (await generate(api, **plain, user_id="ann"))["learned_from"] == []
    assert (await generate(api, **plain, user_id="bob"))["learned_from"] == ["t"]


async def test_a_repeated_key_generates_once(api):
    headers = {"Idempotency-Key": "k-1"}
    first = await api.http.post(IDEAS, json={"business_type": "saas"}, headers=headers)
    again = await api.http.post(IDEAS, json={"business_type": "saas"}, headers=headers)
    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
    assert len(api.ideas.engine.requests) == 1
    # Keys belong to an operation: another operation can use the same key.
    batch = await api.http.post(
        f"{IDEAS}/batch", json={"count": 1, "business_types": ["saas"]}, headers=headers
    )
    assert batch.status_code == 201


async def test_a_tenant_sees_its_own_only(api):
    made = await generate(api, business_type="saas", headers={"X-Business-Id": "acme"})
    assert (await api.http.get(IDEAS)).json()["ideas"] == []
    missing = await api.http.get(f"{IDEAS}/{made['idea_id']}")
    assert (missing.status_code, error_of(missing)["param"]) == (404, "idea_id")


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("", {}, "business_type"),
        ("", {"business_type": "saas", "enable_memory": False, "max_attempts": 0}, "max_attempts"),
        ("", {"business_type": "a/b"}, "business_type"),
        ("", {"business_type": "saas", "min_revenue_score": 101}, "min_revenue_score"),
        ("", {"business_type": "saas", "max_attempts": 21}, "max_attempts"),
        ("", {"business_type": "saas", "count": 3}, "count"),
        ("/batch", {"business_types": ["saas"]}, "count"),
        ("/batch", {"count": 21, "business_types": ["saas"]}, "count"),
        ("/batch", {"count": 1, "business_types": []}, "business_types"),
        ("/batch", {"count": 1, "business_types": ["saas", "-"]}, "business_types[1]"),
        ("/batch", {"count": 1}, "business_type"),
        ("", {"business_type": "saas", "user_id": "\0", "learn_from_past": False}, "user_id"),
        ("/batch", {"count": 1, "business_types": ["saas"], "user_id": "a\0b"}, "user_id"),
    ],
)
async def test_what_cannot_be_generated_is_refused_by_name(api, path, body, param):
    refused = await api.http.post(f"{IDEAS}{path}", json=body)
    assert (refused.status_code, error_of(refused)["param"]) == (400, param)
    assert api.ideas.engine.requests == []


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 501}, {"after": "\0"}])
async def test_a_page_has_bounds(api, params):
    assert (await api.http.get(IDEAS, params=params)).status_code == 400


async def test_a_model_that_gets_nowhere_is_503_and_says_why(api):
    api.ideas.engine.answers = ["nonsense"] * 5
    refused = await api.http.post(IDEAS, json={"business_type": "saas"})
    assert refused.status_code == 503
    assert error_of(refused)["message"] == "the model wrote no usable idea in 5 attempts: 5 not_json"


async def test_no_idea_in_time_is_504(api):
    api.ideas.engine.answers = [DeadlineExceeded("late")]
    refused = await api.http.post(IDEAS, json={"business_type": "saas"})
    assert (refused.status_code, error_of(refused)["code"]) == (504, "deadline_exceeded")
