"""A prompt's ids without an answer, and counters that start anew."""

import pytest

from deployments.core.errors import CacheUnavailable
from tests.unit.serve_app.fake_services import error_of

ACME = {"X-Business-Id": "acme"}
QUESTION = {"agent": "support", "query": "How do I reset it?"}


async def test_the_ids_are_those_that_an_answer_would_send_to_the_engine(api):
    """The same question asked afterwards has the same prompt."""
    body = (await api.http.post("/v1/cache/tokens", json=QUESTION)).json()
    assert api.rig.generator.requests == []
    asked = {"query": QUESTION["query"], "return_token_ids": True}
    answer = (await api.http.post("/v1/support/answer", json=asked)).json()
    assert body["token_ids"] == answer["prompt_token_ids"] != []
    told = body["metadata"]
    for name in ("citations", "context_tokens", "query_tokens"):
        assert told[name] == answer[name]
    for name in ("segments", "order", "dropped"):
        assert told[name] == answer["reuse"][name]
    assert (told["sources"], told["cache_error"]) == (["l1", "l1", "l1"], None)


async def test_asking_for_ids_counts_nothing(api):
    """Hits and popularity are those of answers."""
    await api.http.post("/v1/cache/tokens", json=QUESTION)
    assert (await api.http.get("/v1/cache/stats")).json()["support"]["cache_hits"] == 0


async def test_a_section_and_a_number_of_passages_reach_the_search(api):
    """Of the agent that is named, for the tenant that asks."""
    body = {"agent": "documentation", "query": "x", "section": "api", "top_k": 2}
    told = (await api.http.post("/v1/cache/tokens", json=body, headers=ACME)).json()["metadata"]
    (query,) = api.lookup.retriever.queries
    assert (query.scope.tenant, query.section, query.top_k, told["segments"]) == ("acme", "api", 2, 2)


async def test_where_nothing_is_found_there_are_no_ids(api):
    """And the metadata says that nothing was."""
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
async def test_counters_start_anew_for_the_tenant_that_asks(api, body, reset):
    """Another's stay."""
    for headers in (ACME, {}):
        await api.http.post("/v1/support/answer", json={"query": "x"}, headers=headers)
    response = await api.http.post("/v1/cache/stats/reset", json=body, headers=ACME)
    assert response.status_code == 200
    assert response.json()["reset"][0] == "support"
    assert len(response.json()["reset"]) >= reset
    assert (await api.http.get("/v1/cache/stats", headers=ACME)).json()["support"]["cache_hits"] == 0
    assert (await api.http.get("/v1/cache/stats")).json()["support"]["cache_hits"] == 3


async def test_counters_that_cannot_be_reset_are_503(api):
    """Nobody is told that they were."""
    api.rig.store.down = True
    response = await api.http.post("/v1/cache/stats/reset", json={"agent": "support"})
    assert (response.status_code, error_of(response)["code"]) == (503, CacheUnavailable.code)
    missing = await api.http.post("/v1/cache/stats/reset", json={"agent": "nobody"})
    assert (missing.status_code, error_of(missing)["param"]) == (404, "agent")


async def test_any_agent_answers_a_free_question(api):
    """As `response`, whatever the agent's own route calls it; with the bounds that are given."""
    body = {"agent": "documentation", "query": "x", "section": "api", "top_k": 2, "max_tokens": 7}
    answer = (await api.http.post("/v1/cache/generate", json=body)).json()
    assert (answer["response"], answer["cache_hit"], answer["reuse"]["segments"]) == ("Press Reset.", True, 2)
    assert api.lookup.retriever.queries[0].section == "api"
    (request,) = api.lookup.generator.requests
    assert (request.sampling.max_tokens, request.sampling.temperature) == (7, 0.3)
    missing = await api.http.post("/v1/cache/generate", json=body | {"agent": "nobody"})
    assert (missing.status_code, error_of(missing)["param"]) == (404, "agent")
