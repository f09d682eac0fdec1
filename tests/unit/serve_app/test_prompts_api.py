"""A prompt's ids without an answer, and resetting counters."""

import pytest

from deployments.core.errors import CacheUnavailable
from tests.unit.serve_app.fake_services import error_of

ACME = {"X-Business-Id": "acme"}
QUESTION = {"agent": "support", "query": "How do I reset it?"}


async def test_the_ids_are_those_that_an_answer_would_send_to_the_engine(api):
    """Answering the same question afterwards uses the same prompt."""
    body = (await api.http.post("/v1/cache/tokens", json=QUESTION)).json()
    assert api.rig.generator.requests == []
    asked = {"query": QUESTION["query"], "return_token_ids": True}
    answer = (await api.http.post("/v1/support/answer", json=asked)).json()
    assert body["token_ids"] == answer["prompt_token_ids"] != []
    metadata = body["metadata"]
    for name in ("citations", "context_tokens", "query_tokens"):
        assert metadata[name] == answer[name]
    for name in ("segments", "order", "dropped"):
        assert metadata[name] == answer["reuse"][name]
    assert (metadata["sources"], metadata["cache_error"]) == (["l1", "l1", "l1"], None)


async def test_asking_for_ids_counts_nothing(api):
    """Only answers count for hits and popularity."""
    await api.http.post("/v1/cache/tokens", json=QUESTION)
    assert (await api.http.get("/v1/cache/stats")).json()["support"]["cache_hits"] == 0


async def test_a_section_and_a_number_of_passages_reach_the_search(api):
    """The search of the named agent, for the calling tenant."""
    body = {"agent": "documentation", "query": "x", "section": "api", "top_k": 2}
    metadata = (await api.http.post("/v1/cache/tokens", json=body, headers=ACME)).json()["metadata"]
    (query,) = api.lookup.retriever.queries
    assert (query.scope.tenant, query.section, query.top_k, metadata["segments"]) == ("acme", "api", 2, 2)


async def test_where_nothing_is_found_there_are_no_ids(api):
    """The metadata has no citations and no segments."""
    api.rig.retriever.passages = ()
    body = (await api.http.post("/v1/cache/tokens", json=QUESTION)).json()
    assert (body["token_ids"], body["metadata"]["segments"], body["metadata"]["citations"]) == ([], 0, [])


@pytest.mark.parametrize(
    ("change", "status", "param"),
    [
        ({"agent": "nobody"}, 404, "agent"),
        ({"query": ""}, 400, "query"),
        ({"query": " "}, 400, "query"),
        ({"top_k": 0}, 400, "top_k"),
        ({"agent": "documentation", "section": "faq"}, 400, "section"),
        ({"agent": "business", "section": "\0"}, 400, "section"),
        ({"max_tokens": 5}, 400, "max_tokens"),
    ],
)
async def test_a_request_for_ids_that_cannot_be_is_refused_by_name(api, change, status, param):
    """Nothing is ignored."""
    response = await api.http.post("/v1/cache/tokens", json=QUESTION | change)
    assert (response.status_code, error_of(response)["param"]) == (status, param)


@pytest.mark.parametrize(("body", "reset"), [({"agent": "support"}, 1), ({}, 2)])
async def test_counters_are_reset_for_the_calling_tenant(api, body, reset):
    """Other tenants' counters stay."""
    for headers in (ACME, {}):
        await api.http.post("/v1/support/answer", json={"query": "x"}, headers=headers)
    response = await api.http.post("/v1/cache/stats/reset", json=body, headers=ACME)
    assert response.status_code == 200
    assert response.json()["reset"][0] == "support"
    assert len(response.json()["reset"]) >= reset
    assert (await api.http.get("/v1/cache/stats", headers=ACME)).json()["support"]["cache_hits"] == 0
    assert (await api.http.get("/v1/cache/stats")).json()["support"]["cache_hits"] == 3


async def test_counters_that_cannot_be_reset_are_503(api):
    """The response does not claim that they were reset."""
    api.rig.store.down = True
    response = await api.http.post("/v1/cache/stats/reset", json={"agent": "support"})
    assert (response.status_code, error_of(response)["code"]) == (503, CacheUnavailable.code)
    missing = await api.http.post("/v1/cache/stats/reset", json={"agent": "nobody"})
    assert (missing.status_code, error_of(missing)["param"]) == (404, "agent")


async def test_any_agent_answers_a_free_question(api):
    """The text is in `response` for every agent; the request's limits are used."""
    body = {"agent": "documentation", "query": "x", "section": "api", "top_k": 2, "max_tokens": 7}
    answer = (await api.http.post("/v1/cache/generate", json=body)).json()
    assert (answer["response"], answer["cache_hit"], answer["reuse"]["segments"]) == ("Press Reset.", True, 2)
    assert api.lookup.retriever.queries[0].section == "api"
    (request,) = api.lookup.generator.requests
    assert (request.sampling.max_tokens, request.sampling.temperature) == (7, 0.3)
    missing = await api.http.post("/v1/cache/generate", json=body | {"agent": "nobody"})
    assert (missing.status_code, error_of(missing)["param"]) == (404, "agent")
