"""Documents over HTTP: stored as JSON or as raw bytes, read, listed and deleted."""

import json

import pytest

from deployments.core.errors import KnowledgeUnavailable
from tests.unit.serve_app.fake_services import Api, error_of

DOCUMENTS = "/v1/collections/support_kb/documents"
MARKDOWN = {"Content-Type": "text/markdown"}


async def put(api, doc="doc-1", text=b"# Title\n\nText", **options):
    return await api.http.put(f"{DOCUMENTS}/{doc}", content=text, headers=MARKDOWN, **options)


async def test_markdown_is_put_as_it_is(api):
    """The raw body and its type, with title and section from the query."""
    response = await put(api, params={"title": "T", "section": "api"})
    assert response.status_code == 200
    assert response.json() == {
        "doc_id": "doc-1",
        "version": 1,
        "chunks": 2,
        "kept": 1,
        "invalidated": 1,
        "generation": 5,
        "tokens_written": 9,
        "warnings": [],
        "changed": True,
    }
    (draft,) = api.library.drafts
    assert (draft.doc_id, draft.title, draft.section) == ("doc-1", "T", "api")
    assert (draft.media_type, draft.raw) == ("text/markdown", b"# Title\n\nText")


async def test_bytes_reach_the_library_unchanged(api):
    """A PDF is not decoded as text."""
    raw = b"%PDF-1.7\r\n\x00\xff\xfe"
    headers = {"Content-Type": "application/pdf"}
    response = await api.http.put(f"{DOCUMENTS}/doc", content=raw, headers=headers)
    assert response.status_code == 200
    assert (api.library.drafts[0].media_type, api.library.drafts[0].raw) == ("application/pdf", raw)


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
async def test_json_is_markdown_with_labels(api, content_type):
    """Title and section of the body win over those of the query."""
    body = {"title": "Größe", "section": "guide", "content": "# Größe\n\nText"}
    response = await api.http.put(
        f"{DOCUMENTS}/doc",
        content=json.dumps(body),
        headers={"Content-Type": content_type},
        params={"title": "other", "section": "other"},
    )
    assert response.status_code == 200
    (draft,) = api.library.drafts
    assert (draft.title, draft.section) == ("Größe", "guide")
    assert draft.raw.decode() == "# Größe\n\nText"
    assert draft.media_type == "text/markdown; charset=utf-8"


async def test_wordings_are_stored_and_shown_with_the_content(api):
    """A list of documents leaves them out, as it does contents."""
    body = {"content": "x", "asked_as": ["it won't let me in"]}
    await api.http.put(f"{DOCUMENTS}/doc", json=body)
    assert (await api.http.get(f"{DOCUMENTS}/doc")).json()["asked_as"] == body["asked_as"]
    (listed,) = (await api.http.get(DOCUMENTS)).json()["documents"]
    assert listed["asked_as"] is None


async def test_json_without_labels_takes_those_of_the_query(api):
    """Title and section of the query are used if the body has none."""
    params = {"title": "T", "section": "S"}
    await api.http.put(f"{DOCUMENTS}/doc", json={"content": "x"}, params=params)
    assert (api.library.drafts[0].title, api.library.drafts[0].section) == ("T", "S")


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (b"{}", "content"),
        (b'{"content": ""}', "content"),
        (b'{"content": 5}', "content"),
        (b'{"content": "x", "text": "y"}', "text"),
        (b'{"content": "x", "title": "' + b"t" * 501 + b'"}', "title"),
        (b'{"content": "\xff"}', None),
        (b'{"content": "\\ud800"}', None),
        (b'{"content": "x", "\\ud800": 1}', None),
    ],
)
async def test_json_that_is_no_document_is_refused_by_field(api, raw, param):
    """400 with the field's name; nothing is stored."""
    headers = {"Content-Type": "application/json"}
    response = await api.http.put(f"{DOCUMENTS}/doc", content=raw, headers=headers)
    assert response.status_code == 400
    assert error_of(response)["param"] == param
    assert api.library.drafts == []


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "image/png"}])
async def test_a_type_that_cannot_be_read_is_415(api, headers):
    """The library decides which types it reads."""
    response = await api.http.put(f"{DOCUMENTS}/doc", content=b"x", headers=headers)
    assert response.status_code == 415
    assert error_of(response)["code"] == "unsupported_media_type"


async def test_a_document_that_cannot_be_read_is_422_and_named(api):
    """The message says which document and why."""
    response = await put(api, "empty", b"  ")
    assert response.status_code == 422
    error = error_of(response)
    assert error["code"] == "unprocessable_document"
    assert "empty" in error["message"]


@pytest.mark.parametrize(
    "doc", ["", "a%20", "a//b", "a/", "%2e%2e", "a%2F..%2Fb", "x" * 201, "a%FF", "a%5Cb", "a%0Ab", "%00"]
)
@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
async def test_an_id_that_cannot_be_one_is_refused(api, method, doc):
    """Before anything is looked up or stored."""
    response = await api.http.request(method, f"{DOCUMENTS}/{doc}", content=b"x", headers=MARKDOWN)
    assert response.status_code == 400
    assert error_of(response)["param"] == "doc_id"
    assert api.library.drafts == []


@pytest.mark.parametrize("name", ["support", "Support_KB", "documentations", "*", "%2e%2e"])
@pytest.mark.parametrize(("method", "rest"), [("PUT", "/x"), ("GET", "/x"), ("DELETE", "/x"), ("GET", "")])
async def test_an_unknown_collection_is_404_and_the_known_are_named(api, method, rest, name):
    """A mistyped collection is not mistaken for a missing document."""
    path = f"/v1/collections/{name}/documents{rest}"
    response = await api.http.request(method, path, content=b"x", headers=MARKDOWN)
    assert response.status_code == 404
    error = error_of(response)
    assert error["param"] == "name"
    assert "support_kb" in error["message"]


async def test_a_document_comes_back(api):
    """With its content, version and times."""
    await put(api)
    await put(api, text=b"newer")
    body = (await api.http.get(f"{DOCUMENTS}/doc-1")).json()
    assert body == {
        "doc_id": "doc-1",
        "collection": "support_kb",
        "title": "",
        "section": None,
        "url": None,
        "metadata": {},
        "version": 2,
        "chunks": 2,
        "created_at_s": 1.0,
        "updated_at_s": 2.0,
        "asked_as": [],
        "content": "newer",
    }


async def test_a_deleted_document_is_gone(api):
    """The response counts what was deleted; later reads and deletions get 404."""
    await put(api)
    deleted = await api.http.delete(f"{DOCUMENTS}/doc-1")
    assert (deleted.status_code, deleted.json()["invalidated"]) == (200, 2)
    for method in ("GET", "DELETE"):
        response = await api.http.request(method, f"{DOCUMENTS}/doc-1")
        assert response.status_code == 404
        assert error_of(response)["code"] == "not_found"


@pytest.mark.parametrize(
    ("count", "limit", "pages"), [(0, 2, [0]), (2, 2, [2]), (3, 2, [2, 1]), (4, 2, [2, 2])]
)
async def test_pages_end_where_the_documents_end(api, count, limit, pages):
    """`next` leads to the documents after this page, and is null on the last page."""
    for number in range(count):
        await put(api, f"doc-{number}")
    seen, sizes, after = [], [], None
    while True:
        params = {"limit": limit} | ({"after": after} if after else {})
        page = (await api.http.get(DOCUMENTS, params=params)).json()
        sizes.append(len(page["documents"]))
        seen += [document["doc_id"] for document in page["documents"]]
        assert all(document["content"] is None for document in page["documents"])
        if (after := page["next"]) is None:
            break
    assert seen == [f"doc-{number}" for number in range(count)]
    assert sizes == pages


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 501}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"after": "a/"}, "doc_id"),
    ],
)
async def test_a_page_that_cannot_be_is_refused(api, params, param):
    """By the parameter's name."""
    response = await api.http.get(DOCUMENTS, params=params)
    assert response.status_code == 400
    assert error_of(response)["param"] == param


async def test_an_unknown_label_is_refused(api):
    """Otherwise a misspelt parameter would be lost silently."""
    response = await put(api, params={"titel": "T"})
    assert response.status_code == 400
    assert error_of(response)["param"] == "titel"


async def test_a_knowledge_base_that_is_down_is_503(api):
    """The caller should try again later."""
    api.library.fault = KnowledgeUnavailable("gone")
    response = await put(api)
    assert response.status_code == 503
    assert error_of(response)["code"] == "knowledge_unavailable"


async def test_tenants_do_not_see_each_others_documents():
    """The same path is another document for another tenant; a key gives access to its own only."""
    api = Api(api_keys="acme-key-0123456789=acme,other-key-0123456789=other")
    acme = {"Authorization": "Bearer acme-key-0123456789", **MARKDOWN}
    other = {"Authorization": "Bearer other-key-0123456789"}
    path = f"{DOCUMENTS}/doc"
    assert (await api.http.put(path, content=b"secret", headers=acme)).status_code == 200
    assert (await api.http.get(path, headers=acme)).json()["content"] == "secret"
    assert (await api.http.get(path, headers=other)).status_code == 404
    assert (await api.http.get(DOCUMENTS, headers=other)).json()["documents"] == []
    assert (await api.http.delete(path, headers=other)).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "unauthorized"),
        ({"X-Business-Id": "acme"}, 401, "unauthorized"),
        ({"Authorization": "Bearer wrong"}, 401, "unauthorized"),
        ({"Authorization": "Bearer acme-key-0123456789", "X-Business-Id": "other"}, 403, "forbidden"),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", f"{DOCUMENTS}/doc"),
        ("GET", f"{DOCUMENTS}/doc"),
        ("DELETE", f"{DOCUMENTS}/doc"),
        ("GET", DOCUMENTS),
        ("GET", "/v1/cache/stats"),
        ("POST", "/v1/cache/clear"),
        ("POST", "/v1/support/answer"),
    ],
)
async def test_every_route_asks_for_the_key(method, path, headers, status, code):
    """No route with a tenant's data answers without a key, whether the request is valid or not."""
    api = Api(api_keys="acme-key-0123456789=acme")
    response = await api.http.request(
        method, path, json={"query": "x"} if "answer" in path else {}, headers=headers
    )
    assert response.status_code == status
    assert error_of(response)["code"] == code
    assert (response.headers.get("www-authenticate") == "Bearer") == (status == 401)
    assert api.rig.retriever.queries == []
