"""Liveness, readiness, and the page that describes the API without loading other hosts' files."""

import re
from html import unescape
from html.parser import HTMLParser

import pytest

from serve_app.http.docs_page import docs_html


class Loads(HTMLParser):
    """Collects every attribute that makes a browser ask for something, and the tags that were opened."""

    def __init__(self):
        super().__init__()
        self.addresses = []
        self.tags = set()
        self.ids = []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.addresses += [value for name, value in attrs if name in {"src", "href", "action", "data"}]
        self.ids += [value for name, value in attrs if name == "id"]


async def test_liveness_needs_nothing(api):
    """It reports only that the ingress answers."""
    api.readiness.parts = {"engine": "gone"}
    for path in ("/healthz", "/health"):
        response = await api.http.get(path)
        assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_readiness_needs_every_part(api):
    """200 when all are ready, else 503 with the reason of each."""
    response = await api.http.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"ready": True, "parts": {"engine": "ready", "knowledge": "ready"}}
    api.readiness.parts["engine"] = "is starting"
    response = await api.http.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"ready": False, "parts": {"engine": "is starting", "knowledge": "ready"}}


async def test_the_docs_page_names_every_operation_and_schema(api):
    """The page is made from the OpenAPI description."""
    response = await api.http.get("/docs")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    spec = (await api.http.get("/openapi.json")).json()
    for path, operations in spec["paths"].items():
        for method in operations:
            assert f"<b>{method.upper()}</b> <code>{path}</code>" in response.text
    for schema in spec["components"]["schemas"]:
        assert f'<h3 id="{schema}">' in response.text
    assert "How do I reset my password?" in response.text


async def test_commands_on_the_docs_page_can_be_sent_as_they_are(api):
    """Required parameters have their example, and files are sent in a form."""
    page = unescape((await api.http.get("/docs")).text)
    assert "curl 'http://localhost/v1/support/search?query=reset+password'" in page
    assert "/v1/support/report?start=2026-11-01&end=2026-11-30" in page
    assert "tickets/images \\\n  -F image=@image.png" in page


async def test_the_docs_page_loads_nothing_from_elsewhere(api):
    """No script, image, style sheet or other host; a header makes the browser refuse them too."""
    response = await api.http.get("/docs")
    page = Loads()
    page.feed(response.text)
    assert not page.tags & {"script", "img", "link", "iframe", "object", "form"}
    assert all(address == "/openapi.json" or address.startswith("#") for address in page.addresses)
    assert set(re.findall(r"https?://[^/\s&]+", response.text)) == {"http://localhost"}
    assert response.headers["content-security-policy"].startswith("default-src 'none'")


async def test_every_link_on_the_docs_page_leads_somewhere(api):
    """Each schema that is named has one anchor."""
    page = Loads()
    page.feed((await api.http.get("/docs")).text)
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_texts_of_the_description_stay_text():
    """What a description says is shown, not interpreted."""
    hostile = "</style><script>alert(1)</script>"
    schema = {"type": hostile, "properties": {hostile: {"type": hostile, "description": hostile}}}
    response = {
        "description": hostile,
        "content": {hostile: {"schema": {"$ref": f"#/components/schemas/{hostile}"}}},
    }
    operation = {"tags": [hostile], "description": hostile, "responses": {hostile: response}}
    spec = {
        "info": {"title": hostile, "description": hostile},
        "paths": {f"/{hostile}": {"get": operation}},
        "components": {"schemas": {hostile: schema}},
    }
    page = docs_html(spec, f"http://{hostile}")
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/docs/oauth2-redirect"])
async def test_no_page_is_fastapis_own(api, path):
    """Those load their scripts from a third party's host."""
    response = await api.http.get(path)
    assert "cdn" not in response.text
    assert response.status_code == (200 if path == "/docs" else 404)


async def test_the_description_says_what_is_true(api):
    """Errors are documented with their one body, never with FastAPI's."""
    spec = (await api.http.get("/openapi.json")).json()
    assert "HTTPValidationError" not in spec["components"]["schemas"]
    for path, operations in spec["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if path.startswith("/v1/") and not status.startswith("2"):
                    schema = response["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/ErrorBody"}


async def test_examples_are_valid_requests(api):
    """Each example can be sent as it is."""
    spec = (await api.http.get("/openapi.json")).json()
    (example,) = spec["components"]["schemas"]["SupportQuestion"]["examples"]
    assert (await api.http.post("/v1/support/answer", json=example)).status_code == 200


async def test_a_body_whose_fields_are_all_optional_may_be_left_out(api):
    """`curl -X POST .../cache/clear` clears; no route asks for an empty object."""
    spec = (await api.http.get("/openapi.json")).json()
    schemas = spec["components"]["schemas"]
    demanded = []
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            body = operation.get("requestBody", {})
            reference = body.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
            if body.get("required") and reference and "required" not in schemas[reference.rsplit("/")[-1]]:
                demanded.append(f"{method} {path}")
    assert not demanded
    assert (await api.http.post("/v1/cache/clear")).status_code == 200
