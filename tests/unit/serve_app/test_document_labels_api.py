"""Ids, addresses and metadata of documents over HTTP, and lists that are filtered by them."""

import json

import pytest

from tests.unit.serve_app.fake_services import error_of

DOCUMENTS = "/v1/collections/support_kb/documents"
MARKDOWN = {"Content-Type": "text/markdown"}


async def put(api, doc, **options):
    return await api.http.put(f"{DOCUMENTS}/{doc}", content=b"# Title", headers=MARKDOWN, **options)


PATHS = {
    "guides/setup.md": "guides/setup.md",
    "guides%2Fsetup.md": "guides/setup.md",
    "a%20b": "a b",
    "u%CC%88ber": "über",
    "100%25": "100%",
    "https://acme.example/help": "https://acme.example/help",
    "https%3A%2F%2Facme.example%2Fhelp%3Fid%3D3": "https://acme.example/help?id=3",
    "api/versions": "api/versions",
    "search": "search",
}


@pytest.mark.parametrize(("path", "name"), PATHS.items())
async def test_a_path_or_an_address_is_an_id(api, path, name):
    """Percent-encoded or not; it is stored, read, listed and deleted under one name."""
    assert (await put(api, path)).json()["doc_id"] == name
    assert (await api.http.get(f"{DOCUMENTS}/{path}")).json()["doc_id"] == name
    (listed,) = (await api.http.get(DOCUMENTS)).json()["documents"]
    assert listed["doc_id"] == name
    assert (await api.http.delete(f"{DOCUMENTS}/{path}")).status_code == 200


async def test_an_address_with_a_bare_question_mark_is_refused(api):
    """What follows it are query parameters, and none has this name."""
    response = await put(api, "https://acme.example/help?id=3")
    assert (response.status_code, error_of(response)["param"]) == (400, "id")


LABELS = {"url": "https://acme.example/a", "metadata": {"product": "harbor", "lang": "de"}}


async def test_url_and_metadata_are_stored_and_shown(api):
    """In JSON, or as query parameters of a raw body; lists show them, too."""
    await api.http.put(f"{DOCUMENTS}/one", json={"content": "x", **LABELS})
    await put(api, "two", params={**LABELS, "metadata": json.dumps(LABELS["metadata"])})
    for doc in ("one", "two"):
        found = (await api.http.get(f"{DOCUMENTS}/{doc}")).json()
        assert {name: found[name] for name in LABELS} == LABELS
    for listed in (await api.http.get(DOCUMENTS)).json()["documents"]:
        assert {name: listed[name] for name in LABELS} == LABELS


@pytest.mark.parametrize(
    ("labels", "param"),
    [
        ({"metadata": {str(n): "" for n in range(33)}}, "metadata"),
        ({"metadata": {"k" * 65: ""}}, "metadata"),
        ({"metadata": {"": "v"}}, "metadata"),
        ({"metadata": {"k": "v" * 501}}, "metadata"),
        ({"metadata": {"k": 1}}, "metadata"),
        ({"metadata": {"k": {"nested": "v"}}}, "metadata"),
        ({"metadata": ["k"]}, "metadata"),
        ({"url": "https://a/" + "x" * 2000}, "url"),
    ],
)
async def test_labels_out_of_bounds_are_refused(api, labels, param):
    """Metadata are a flat object of texts; in JSON and in the query."""
    in_query = {name: v if isinstance(v, str) else json.dumps(v) for name, v in labels.items()}
    for response in (
        await api.http.put(f"{DOCUMENTS}/d", json={"content": "x", **labels}),
        await put(api, "d", params=in_query),
    ):
        assert response.status_code == 400
        assert error_of(response)["param"].split(".")[0] == param
    assert api.library.drafts == []


async def test_a_list_can_be_filtered(api):
    """By metadata, one of several values for each key, and by ids."""
    for doc, lang, product in (("a", "de", "x"), ("b/c", "en", "x"), ("d", "fr", "y")):
        await api.http.put(
            f"{DOCUMENTS}/{doc}", json={"content": "x", "metadata": {"lang": lang, "product": product}}
        )

    async def listed(**params):
        page = (await api.http.get(DOCUMENTS, params=params)).json()
        return [document["doc_id"] for document in page["documents"]]

    assert await listed(filter='{"lang": ["de", "fr"]}') == ["a", "d"]
    assert await listed(filter='{"lang": ["de", "fr"], "product": "x"}') == ["a"]
    assert await listed(doc_ids=["b/c", "d", "none"]) == ["b/c", "d"]
    assert await listed(doc_ids=["b/c"], filter='{"product": "y"}') == []


@pytest.mark.parametrize(
    "params",
    [
        {"filter": "lang=de"},
        {"filter": "[]"},
        {"filter": '{"lang": []}'},
        {"filter": '{"lang": "de", " lang": "en"}'},
        {"filter": '{"lang": 1}'},
        {"filter": json.dumps({str(n): "v" for n in range(9)})},
        {"filter": json.dumps({"k": ["v"] * 21})},
        {"filter": '{"k": "\\u0000"}'},
        {"doc_ids": ["a"] * 101},
        {"doc_ids": "a//b"},
        {"doc_ids": ""},
    ],
)
async def test_a_filter_that_cannot_be_is_refused(api, params):
    """By its name. An empty list never means all documents: it may be what a caller is allowed to see."""
    response = await api.http.get(DOCUMENTS, params=params)
    assert response.status_code == 400
    assert error_of(response)["param"] in {*params, "doc_id"}


async def test_versions_of_a_path_are_listed_by_the_suffix(api):
    """An id that ends in the suffix itself is read below /v1/collections."""
    for doc in ("api", "api/versions"):
        await api.http.put(f"/v1/collections/documentation/documents/{doc}", json={"content": doc})

    async def listed(path):
        found = (await api.http.get(f"/v1/documentation/{path}")).json()
        return [version["doc_id"] for version in found["versions"]]

    assert await listed("api/versions") == ["api"]
    assert await listed("api%2Fversions/versions") == ["api/versions"]
    read = await api.http.get("/v1/collections/documentation/documents/api/versions")
    assert read.json()["content"] == "api/versions"
    updated = await api.http.put("/v1/documentation/guides/a.md", json={"content": "x"})
    assert (updated.status_code, error_of(updated)["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/support/answer", {"query": "How?"}),
        ("/v1/cache/tokens", {"agent": "support", "query": "How?"}),
        ("/v1/cache/generate", {"agent": "support", "query": "How?"}),
        ("/v1/chat/completions", {"model": "support", "messages": [{"role": "user", "content": "How?"}]}),
    ],
)
async def test_a_question_is_searched_for_in_the_documents_it_names(api, path, body):
    """OpenAI's `metadata` stay the client's own notes."""
    limited = {**body, "filter": {"lang": ["en", "de"], "product": "x"}, "doc_ids": ["b/c", "a"]}
    assert (await api.http.post(path, json=limited)).status_code == 200
    only = api.rig.retriever.queries[-1].only
    assert only.metadata == (("lang", ("de", "en")), ("product", ("x",)))
    assert only.doc_ids == ("a", "b/c")
    refused = await api.http.post(path, json={**body, "doc_ids": []})
    assert (refused.status_code, error_of(refused)["param"]) == (400, "doc_ids")


async def test_a_search_takes_the_same_filter(api):
    params = {"query": "How?", "filter": '{"lang": "de"}', "doc_ids": ["a"]}
    assert (await api.http.get("/v1/support/search", params=params)).status_code == 200
    only = api.rig.retriever.queries[-1].only
    assert (only.metadata, only.doc_ids) == ((("lang", ("de",)),), ("a",))
