"""The routes of business templates: shapes, refusals, tenants, repeated calls."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.agents.specs import BUSINESS
from deployments.core.errors import KnowledgeUnavailable
from tests.unit.serve_app.fake_services import error_of

TEMPLATES = "/v1/business/templates"
ACME = {"X-Business-Id": "acme"}


def body(name: str = "Alpha", score: float = 0.9, **changes: Any) -> dict[str, Any]:
    return {
        "business_type": "saas",
        "template_data": {"name": name, "summary": f"{name} does something."},
        "success_metrics": {"success_score": score},
        **changes,
    }


async def create(api, *, headers=None, **changes):
    response = await api.http.post(TEMPLATES, json=body(**changes), headers=headers)
    assert response.status_code == 201, response.text
    return response.json()


async def test_a_template_is_stored_and_shown(api):
    """As it was sent, with id and times, and its type in normal form."""
    made = await create(api, business_type="Mobile App", user_id="ann")
    assert made == {
        "template_id": made["template_id"],
        "business_type": "mobile_app",
        "template_data": {"name": "Alpha", "summary": "Alpha does something."},
        "success_metrics": {"success_score": 0.9},
        "user_id": "ann",
        "version": 1,
        "created_at": "1970-01-01T00:16:40Z",
        "updated_at": "1970-01-01T00:16:40Z",
    }
    assert (await api.http.get(f"{TEMPLATES}/{made['template_id']}")).json() == made


async def test_the_next_recall_answers_from_it(api):
    """The text is in the agent's field `templates`, next to the ledger."""
    made = await create(api)
    answer = (await api.http.post(f"{TEMPLATES}/recall", json={"business_type": "SaaS", "top_k": 3})).json()
    assert next(iter(answer)) == "templates"
    assert [citation["doc_id"] for citation in answer["citations"]] == [made["template_id"]]
    assert (answer["cache_hit"], answer["reuse"]["segments"]) == (True, 1)
    assert "Alpha does something." in api.ideas.prompt()
    (request,) = api.ideas.engine.requests
    assert (request.sampling.max_tokens, request.sampling.temperature) == (1000, 0.5)


async def test_recall_takes_what_every_question_takes(api):
    """Sampling options, ids, and a stream that ends with the ledger."""
    await create(api)
    asked = {
        "business_type": "saas",
        "max_tokens": 7,
        "temperature": 0,
        "seed": 3,
        "return_token_ids": True,
    }
    answer = (await api.http.post(f"{TEMPLATES}/recall", json=asked)).json()
    assert answer["prompt_token_ids"]
    sampling = api.ideas.engine.requests[-1].sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.seed) == (7, 0, 3)
    streamed = await api.http.post(f"{TEMPLATES}/recall", json=asked | {"stream": True})
    events = [line for line in streamed.text.splitlines() if line.startswith("event: ")]
    assert events == ["event: delta", "event: ledger"]
    assert streamed.text.endswith("data: [DONE]\n\n")


async def test_the_best_of_a_type_are_listed(api):
    for name, score in (("Low", 0.5), ("Best", 0.95), ("Good", 0.8)):
        await create(api, name=name, score=score)
    await create(api, name="Other", score=1.0, business_type="retail")

    async def names(**params):
        response = await api.http.get(TEMPLATES, params=params)
        assert response.status_code == 200, response.text
        return [template["template_data"]["name"] for template in response.json()["templates"]]

    assert await names(business_type="SAAS") == ["Best", "Good"]
    assert await names(business_type="saas", top_k=1) == ["Best"]
    assert await names(business_type="saas", min_success_score=0) == ["Best", "Good", "Low"]
    assert await names() == ["Other", "Best", "Good"]
    assert await names(enable_memory=False) == []


async def test_a_template_is_replaced_and_deleted_by_its_id(api):
    first = await api.http.put(f"{TEMPLATES}/mine", json=body("One"))
    second = await api.http.put(f"{TEMPLATES}/mine", json=body("Two"))
    assert (first.status_code, first.json()["version"]) == (200, 1)
    assert (second.json()["version"], second.json()["template_data"]["name"]) == (2, "Two")
    deleted = await api.http.delete(f"{TEMPLATES}/mine")
    assert (deleted.status_code, deleted.content) == (204, b"")
    for call in (api.http.get, api.http.delete):
        assert error_of(await call(f"{TEMPLATES}/mine"))["code"] == "not_found"


async def test_what_replaces_a_template_or_removes_it_is_followed_by_warming(api):
    """A new template is not: it invalidates no prompt."""
    await api.http.put(f"{TEMPLATES}/mine", json=body("One"))
    assert api.changes == []
    await api.http.put(f"{TEMPLATES}/mine", json=body("Two"))
    await api.http.delete(f"{TEMPLATES}/mine")
    assert [scope.collection for scope, _ in api.changes] == [BUSINESS.collection] * 2


async def test_a_repeated_key_stores_one(api):
    headers = {"Idempotency-Key": "k-1"}
    first = await api.http.post(TEMPLATES, json=body(), headers=headers)
    again = await api.http.post(TEMPLATES, json=body(), headers=headers)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(api.ideas.memory.templates) == 1
    other = await api.http.post(TEMPLATES, json=body("Other"), headers=headers)
    assert (other.status_code, error_of(other)["code"]) == (409, "conflict")


async def test_a_tenant_sees_its_own_only(api):
    made = await create(api, headers=ACME)
    path = f"{TEMPLATES}/{made['template_id']}"
    assert (await api.http.get(path)).status_code == 404
    assert (await api.http.delete(path)).status_code == 404
    assert (await api.http.get(TEMPLATES)).json() == {"templates": []}
    assert (await api.http.get(path, headers=ACME)).status_code == 200


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"business_type": "a/b"}, "business_type"),
        ({"business_type": ""}, "business_type"),
        ({"template_data": {"summary": "no name"}}, "template_data.name"),
        ({"template_data": {"name": "n", "text": "a\0b"}}, "template_data"),
        ({"template_data": []}, "template_data"),
        ({"success_metrics": {}}, "success_metrics.success_score"),
        ({"success_metrics": {"success_score": 1.1}}, "success_metrics.success_score"),
        ({"success_metrics": {"success_score": "0.5"}}, "success_metrics.success_score"),
        ({"success_metrics": {"success_score": True}}, "success_metrics.success_score"),
        ({"success_metrics": {"success_score": 0.5, "x": {"nested": 1}}}, "success_metrics.x"),
        ({"user_id": ""}, "user_id"),
        ({"enable_memory": False}, "enable_memory"),
        ({"owner": "me"}, "owner"),
    ],
)
async def test_what_cannot_be_stored_is_refused_by_name(api, change, param):
    refused = await api.http.post(TEMPLATES, json=body() | change)
    assert (refused.status_code, error_of(refused)["param"]) == (400, param)
    assert api.ideas.memory.templates == {}


async def test_numbers_that_are_none_are_refused(api):
    text = '{"business_type": "saas", "template_data": {"name": "n", "x": 1e999}, "success_metrics": {}}'
    for sent in (text, text.replace("1e999", "NaN")):
        refused = await api.http.post(TEMPLATES, content=sent, headers={"Content-Type": "application/json"})
        assert refused.status_code == 400


@pytest.mark.parametrize(
    "params",
    [
        {"top_k": 0},
        {"top_k": 51},
        {"min_success_score": 2},
        {"business_type": "a/b"},
        {"kind": "saas"},
        {"user_id": ""},
        {"user_id": "\0"},
    ],
)
async def test_a_recall_out_of_bounds_is_refused(api, params):
    refused = await api.http.get(TEMPLATES, params=params)
    assert (refused.status_code, error_of(refused)["param"]) == (400, next(iter(params)))


async def test_an_id_that_is_no_name_is_refused(api):
    refused = await api.http.put(f"{TEMPLATES}/a%20", json=body())
    assert (refused.status_code, error_of(refused)["param"]) == (400, "doc_id")


async def test_a_memory_that_is_gone_is_503(api):
    api.ideas.memory.fault = KnowledgeUnavailable("the database is gone")
    for response in (
        await api.http.get(TEMPLATES),
        await api.http.post(TEMPLATES, json=body()),
        await api.http.post(f"{TEMPLATES}/recall", json={"business_type": "saas"}),
    ):
        assert (response.status_code, error_of(response)["code"]) == (503, "knowledge_unavailable")
