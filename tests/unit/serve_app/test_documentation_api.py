"""Documentation over HTTP: looked up, written, updated, searched, and its earlier versions."""

import pytest

from deployments.agents.specs import DOCUMENTATION, SECTIONS
from deployments.core.errors import EngineUnavailable
from serve_app.http.answers import AnswerBody
from tests.unit.serve_app.fake_services import Api, error_of

PREFIX = "/v1/documentation"
ACME = {"X-Business-Id": "acme"}


async def generate(api, headers=ACME, **body):
    order = {"topic": "Greeting people", "doc_type": "api", "source_code": "def greet(): ..."}
    return await api.http.post(f"{PREFIX}/generate", json=order | body, headers=headers)


async def generated(api):
    response = await generate(api)
    assert response.status_code == 201
    return response.json()


def test_the_sections_of_the_description_are_the_agents(api):
    """In questions, and as the kinds of documents that can be written."""
    schemas = api.app.openapi()["components"]["schemas"]
    asked = schemas["DocumentationQuestion"]["properties"]["section"]["anyOf"][0]["enum"]
    written = schemas["WritingRequest"]["properties"]["doc_type"]["enum"]
    assert tuple(asked) == tuple(written) == DOCUMENTATION.sections == SECTIONS


async def test_a_lookup_answers_in_the_one_shape(api):
    """Its text is `documentation`; the section reaches the search."""
    body = {"query": "How to authenticate?", "section": "api", "top_k": 2, "max_tokens": 9, "temperature": 0}
    response = await api.http.post(f"{PREFIX}/lookup", json=body, headers=ACME)
    assert response.status_code == 200
    answer = response.json()
    assert set(answer) == {*AnswerBody.model_fields, "documentation"} - {"prompt_token_ids", "token_ids"}
    assert (answer["documentation"], answer["reuse"]["segments"]) == ("Press Reset.", 2)
    (query,) = api.lookup.retriever.queries
    assert (query.section, query.scope.tenant, query.scope.collection) == ("api", "acme", "documentation")
    (request,) = api.lookup.generator.requests
    assert (request.sampling.max_tokens, request.sampling.temperature) == (9, 0.0)


async def test_a_lookup_can_be_streamed_and_give_its_ids(api):
    """As every question to an agent can."""
    body = {"query": "x", "stream": True, "return_token_ids": True}
    response = await api.http.post(f"{PREFIX}/lookup", json=body)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert [line for line in response.text.splitlines() if line.startswith("event")][-1] == "event: ledger"
    assert '"documentation": "Press Reset."' in response.text
    assert '"prompt_token_ids": [' in response.text


async def test_a_document_is_written_and_can_be_read(api):
    """The document is stored before the response, which has its ledger."""
    made = await generated(api)
    assert made["doc_id"].startswith("greeting-people-")
    assert (made["title"], made["section"], made["version"]) == ("Greeting people", "api", 1)
    assert (made["content"], made["tokens"], made["finish_reason"]) == ("Press Reset.", 12, "stop")
    assert made["total_tokens"] == made["reuse"]["prompt_tokens"] + 12
    assert made["latency_ms"] == made["timings_ms"]["total"]
    assert "def greet(): ..." in api.writer.prompt_sent()
    got = (await api.http.get(f"{PREFIX}/{made['doc_id']}", headers=ACME)).json()
    assert got == {
        "doc_id": made["doc_id"],
        "version": 1,
        "title": "Greeting people",
        "section": "api",
        "url": None,
        "metadata": {},
        "stored_at": "1970-01-01T00:00:02Z",
        "content": "Press Reset.",
    }
    assert (await api.http.get(f"{PREFIX}/{made['doc_id']}")).status_code == 404


async def test_repeating_a_call_under_its_key_writes_one_document(api):
    """The first response is repeated. The key is refused for another request."""
    headers = {**ACME, "Idempotency-Key": "k"}
    first, again = await generate(api, headers), await generate(api, headers)
    assert first.json() == again.json()
    assert len(api.library.drafts) == len(api.writer.generator.requests) == 1
    assert (await generate(api, headers, topic="Another")).status_code == 409


async def test_a_document_that_could_not_be_written_can_be_ordered_again(api):
    """The key of a failed call can be used again."""
    headers = {**ACME, "Idempotency-Key": "k"}
    api.writer.generator.fault = EngineUnavailable("gone")
    assert (await generate(api, headers)).status_code == 503
    api.writer.generator.fault = None
    assert (await generate(api, headers)).status_code == 201


@pytest.mark.parametrize(
    ("param", "body"),
    [
        ("topic", {"topic": ""}),
        ("topic", {"topic": " \n"}),
        ("topic", {"topic": None}),
        ("doc_type", {"doc_type": "novel"}),
        ("source_code", {"source_code": "x" * 200_001}),
        ("source_code", {"source_code": "x" * 9000}),
        ("specifications", {"specifications": "a\0"}),
        ("max_tokens", {"max_tokens": 0}),
        ("language", {"language": "de"}),
    ],
)
async def test_an_order_that_cannot_be_is_refused_by_name(api, param, body):
    """And nothing is stored."""
    response = await generate(api, **body)
    assert response.status_code == 400
    assert error_of(response)["param"] == param
    assert api.library.drafts == []


async def test_an_update_makes_a_version_and_the_earlier_one_stays(api):
    """Each can be read, and they are listed newest first."""
    path = f"{PREFIX}/{(await generated(api))['doc_id']}"
    body = {"content": "Press Start."}
    updated = await api.http.put(path, json=body, headers=ACME)
    assert updated.status_code == 200
    assert (updated.json()["version"], updated.json()["invalidated"]) == (2, 1)
    texts = [
        (await api.http.get(path, params=params, headers=ACME)).json()["content"]
        for params in ({}, {"version": 1}, {"version": 2})
    ]
    assert texts == ["Press Start.", "Press Reset.", "Press Start."]
    listed = (await api.http.get(f"{path}/versions", headers=ACME)).json()
    assert [version["version"] for version in listed["versions"]] == [2, 1]
    assert listed["next"] is None
    first = (await api.http.get(f"{path}/versions", params={"limit": 1}, headers=ACME)).json()
    assert (len(first["versions"]), first["next"]) == (1, 2)
    second = await api.http.get(f"{path}/versions", params={"limit": 1, "before": 2}, headers=ACME)
    assert ([v["version"] for v in second.json()["versions"]], second.json()["next"]) == ([1], None)


@pytest.mark.parametrize("invalidate", [True, False])
async def test_a_caller_can_leave_old_segments_to_expire(api, invalidate):
    """The flag reaches the knowledge base."""
    path = f"{PREFIX}/{(await generated(api))['doc_id']}"
    body = {"content": "new", "invalidate_cache": invalidate}
    assert (await api.http.put(path, json=body, headers=ACME)).status_code == 200
    assert api.library.revisions == [invalidate]


@pytest.mark.parametrize(
    ("method", "path", "arguments", "status"),
    [
        ("GET", "/nobody", {}, 404),
        ("GET", "/nobody", {"params": {"version": 1}}, 404),
        ("GET", "/nobody/versions", {}, 404),
        ("PUT", "/nobody", {"json": {"content": "x"}}, 404),
        ("PUT", "/nobody", {"json": {"content": ""}}, 400),
        ("PUT", "/nobody", {"json": {"content": " "}}, 400),
        ("PUT", "/nobody", {"json": {"content": "x", "title": "y"}}, 400),
        ("GET", "/a//b", {}, 400),
        ("GET", "/nobody", {"params": {"version": 0}}, 400),
        ("GET", "/nobody", {"params": {"version": 2**31}}, 400),
        ("GET", "/nobody/versions", {"params": {"before": 2**31}}, 400),
        ("GET", "/search", {}, 400),
        ("GET", "/search", {"params": {"query": " "}}, 400),
        ("GET", "/search", {"params": {"query": "x", "limit": 51}}, 400),
        ("POST", "/lookup", {"json": {"query": "x", "section": "faq"}}, 400),
    ],
)
async def test_what_is_not_there_or_cannot_be_is_refused(api, method, path, arguments, status):
    """With the one body of errors."""
    response = await api.http.request(method, PREFIX + path, **arguments)
    assert response.status_code == status
    assert error_of(response)["message"]


async def test_a_version_that_is_not_there_is_404(api):
    """The document itself exists."""
    path = f"{PREFIX}/{(await generated(api))['doc_id']}"
    response = await api.http.get(path, params={"version": 2}, headers=ACME)
    assert (response.status_code, error_of(response)["param"]) == (404, "version")


async def test_a_search_finds_documents_by_their_words(api):
    """With snippets and scores, best first, from this tenant's documents only."""
    for _ in range(3):
        await generated(api)
    params = {"query": "reset", "limit": 2}
    found = (await api.http.get(f"{PREFIX}/search", params=params, headers=ACME)).json()
    assert (found["query"], found["total_results"]) == ("reset", 2)
    assert [hit["score"] for hit in found["results"]] == [1.0, 0.5]
    assert found["results"][0]["snippet"] == "Press Reset."
    assert (await api.http.get(f"{PREFIX}/search", params=params)).json()["results"] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/lookup"),
        ("POST", "/generate"),
        ("GET", "/search"),
        ("GET", "/doc"),
        ("GET", "/doc/versions"),
        ("PUT", "/doc"),
    ],
)
async def test_every_route_asks_for_the_key(method, path):
    """Whether the rest of the request is valid or not."""
    api = Api(api_keys="acme-key-0123456789=acme")
    body = {"query": "x", "topic": "x", "content": "x"}
    response = await api.http.request(method, PREFIX + path, json=body, params={"query": "x"})
    assert response.status_code == 401
