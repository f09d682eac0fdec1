"""What a request may have is bounded: bytes, entries of lists, characters, and reported errors."""

import json
from typing import get_args, get_origin

import pytest
from pydantic import ValidationError
from pydantic.types import FailFast

import serve_app.http.application  # noqa: F401  imports all bodies
from serve_app.body_limits import FILES, INGEST, MAX_JSON_BYTES
from serve_app.http.body import Body
from serve_app.http.documents import DocumentUpload
from serve_app.http.openai_bodies import ChatRequest
from serve_app.http.templates import TemplateRequest
from tests.unit.serve_app.fake_services import Api, error_of

SPEC = Api().app.openapi()
UNKNOWN = {str(number): "x" for number in range(9999)}
JSON = {"Content-Type": "application/json"}
BOUNDS_A_TEXT = {"maxLength", "enum", "const", "format"}


def requests():
    """Where it is, and the schema of each query parameter and each body that has fields."""
    for path, operations in SPEC["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", []):
                if parameter["in"] != "path":  # servers limit the length of a path
                    yield f"{method} {path}?{parameter['name']}", parameter["schema"]
            for kind, content in operation.get("requestBody", {}).get("content", {}).items():
                if not kind.startswith("text/"):  # a whole file, which the limit of bytes bounds
                    yield f"{method} {path}", content["schema"]


def unbounded(where, schema):
    """The lists and texts in a schema without a bound. Arbitrary JSON is bounded by its bytes."""
    if "$ref" in schema:
        schema = SPEC["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if schema.get("type") == "array" and "maxItems" not in schema:
        yield f"list {where}"
    if schema.get("type") == "string" and not BOUNDS_A_TEXT & set(schema):
        yield f"text {where}"
    inner = {f"{where}.{name}": part for name, part in schema.get("properties", {}).items()}
    for part in ("items", "additionalProperties"):
        if isinstance(schema.get(part), dict):
            inner[f"{where}[]"] = schema[part]
    for place, part in inner.items():
        yield from unbounded(place, part)
    for part in [*schema.get("anyOf", []), *schema.get("allOf", []), *schema.get("oneOf", [])]:
        yield from unbounded(where, part)


def bodies(kind=Body):
    for below in kind.__subclasses__():
        yield below
        yield from bodies(below)


def is_list(kind):
    return get_origin(kind) is list or any(map(is_list, get_args(kind)))


def test_no_list_and_no_text_in_a_request_is_unbounded():
    """By the description that clients read."""
    assert [found for where, schema in requests() for found in unbounded(where, schema)] == []


def test_validation_of_lists_ends_at_the_first_error():
    """Otherwise pydantic makes an error object for each entry."""
    lists = [
        (body.__name__, name, field)
        for body in bodies()
        for name, field in body.model_fields.items()
        if is_list(field.annotation)
    ]
    assert len(lists) >= 5
    slow = [
        (body, name)
        for body, name, field in lists
        if not any(isinstance(part, FailFast) for part in [*field.metadata, *metadata_in(field.annotation)])
    ]
    assert slow == []


def metadata_in(kind):
    inner = (part for one in get_args(kind) for part in metadata_in(one))
    return [*getattr(kind, "__metadata__", ()), *inner]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (ChatRequest, {"model": "support", "messages": [{"role": 1, "content": "x"}] * 250_000}),
        (ChatRequest, {"model": "support", "messages": [{"role": "user", "content": "x"}] * 250_000}),
        (ChatRequest, {"model": "x", "messages": [{"role": "user", "content": [{}] * 9999}]}),
        (
            ChatRequest,
            {"model": "x", "messages": [{"role": "user", "content": [{"type": "text", "text": ""}] * 1001}]},
        ),
        (ChatRequest, UNKNOWN | {"model": "x", "messages": [{"role": "user", "content": "x"}]}),
        (DocumentUpload, {"content": "x", "asked_as": [1] * 9999}),
        (DocumentUpload, UNKNOWN | {"content": "x"}),
        (
            TemplateRequest,
            {
                "business_type": "saas",
                "template_data": {},
                "success_metrics": UNKNOWN,
            },
        ),
    ],
)
def test_many_errors_are_reported_as_few(kind, body):
    """However many entries or fields are wrong."""
    with pytest.raises(ValidationError) as refused:
        kind.model_validate(body)
    assert refused.value.error_count() == 1


async def test_the_first_unknown_field_is_named(api):
    """In the order of the request."""
    body = {"query": "x"} | dict.fromkeys(["zeta", *map(str, range(100))], 1)
    response = await api.http.post("/v1/support/answer", json=body)
    assert response.status_code == 400
    assert error_of(response)["param"] == "zeta"


@pytest.mark.parametrize(
    ("method", "path", "kind", "is_file"),
    [
        ("POST", "/v1/chat/completions", "application/json", False),
        ("POST", "/v1/support/answer", "application/json", False),
        ("GET", "/v1/models", "application/json", False),
        ("GET", "/healthz", "application/json", False),
        ("GET", "/v1/documentation/doc", "application/json", False),
        ("POST", "/v1/documentation/generate", "application/json", False),
        ("PUT", "/v1/business/templates/doc", "application/json", False),
        ("PUT", "/v1/documentation/doc", "application/json", True),
        ("PUT", "/v1/collections/support_kb/documents/doc", "text/markdown", True),
        ("PUT", "/v1/documentation/guides/doc", "application/json", True),
        ("PUT", "/v1/collections/support_kb/documents/guides/doc.md", "text/markdown", True),
        ("POST", "/v1/support/tickets/images", "image/png", True),
    ],
)
async def test_only_documents_and_pictures_may_be_large(api, method, path, kind, is_file):
    """JSON is parsed on the event loop, where all streams of all tenants wait for it."""
    body = b" " * (MAX_JSON_BYTES + 1)
    response = await api.http.request(method, path, content=body, headers={"Content-Type": kind})
    assert (response.status_code == 413) == (not is_file)
    if not is_file:
        assert str(MAX_JSON_BYTES) in error_of(response)["message"]


async def test_json_of_the_limit_is_read(api):
    """The last allowed byte is allowed."""
    body = json.dumps({"query": "x"}).encode().ljust(MAX_JSON_BYTES)
    assert (await api.http.post("/v1/support/answer", content=body, headers=JSON)).status_code == 200


def test_every_route_that_takes_a_file_may_have_a_large_body():
    """The table of such routes and the description agree."""
    described = {
        (method.upper(), path)
        for path, operations in SPEC["paths"].items()
        for method, operation in operations.items()
        for kind in operation.get("requestBody", {}).get("content", {})
        if kind != "application/json"
    }
    for method, path in described:
        assert any(method == known and pattern.fullmatch(path) for known, pattern in (*FILES, INGEST))


@pytest.mark.parametrize("count", [101, 2000])
async def test_expected_issues_are_bounded_in_both_places(api, count):
    """In the address, and in a form."""
    many = {"expected_issues": ["x"] * count}
    path = "/v1/support/tickets/images"
    for given in ({"params": many}, {"data": many}):
        response = await api.http.post(path, files={"image": ("a.png", b"x", "image/png")}, **given)
        assert response.status_code == 400
        assert "100" in error_of(response)["message"]
