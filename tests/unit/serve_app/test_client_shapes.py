"""Every method of the Python agents sends what a route of the API takes, and returns what it answers."""

import inspect
import json
from operator import attrgetter
from types import NoneType, SimpleNamespace
from typing import Any, NamedTuple, cast, get_type_hints
from urllib.parse import unquote

import httpx
import pytest

from deployments.core.ids import TenantId
from deployments.core.metrics import SILENT
from serve_app.auth import KeyRing, StoredKeyFinder
from serve_app.client import BusinessGenerationAgent, DocumentationAgent, SupportAgent, agent
from serve_app.client.connection import Connection
from serve_app.draining import Gate
from serve_app.http.application import build_api
from serve_app.services import Services
from serve_app.settings import Settings
from tests.unit.serve_app.json_shapes import shape

TEMPLATE = ("saas", {"name": "A"}, {"success_score": 0.9}, "ann")
CALLS = [
    (SupportAgent, "answer_support_query_cached", ("q", 2, 9)),
    (SupportAgent, "create_ticket", ("ann", "It fails", "high")),
    (SupportAgent, "respond_to_ticket", ("t", "Try again.", "resolved")),
    (SupportAgent, "escalate_ticket", ("t", "why", "backend", "urgent")),
    (SupportAgent, "search_knowledge_base", ("q", "api", 2)),
    (SupportAgent, "generate_support_report", ("2026-11-01", "2026-11-30")),
    (SupportAgent, "process_ticket_image", (b"picture", ["it fails"])),
    (SupportAgent, "begin_conversation", ("ann", {"channel": "web"})),
    (SupportAgent, "delete_conversation", ("conv_1",)),
    (BusinessGenerationAgent, "recall_business_templates_cached", ("saas", 2, 9)),
    (BusinessGenerationAgent, "store_business_template", TEMPLATE),
    (BusinessGenerationAgent, "recall_business_templates", ("saas", 0.5, 2, "ann")),
    (BusinessGenerationAgent, "generate_idea_with_memory", ("saas", 50.0, 2, "ann", False)),
    (BusinessGenerationAgent, "generate_batch_with_memory", (3, ["saas", "content"])),
    (DocumentationAgent, "lookup_documentation_cached", ("q", "api", 2, 9)),
    (DocumentationAgent, "generate_documentation", ("topic", "api", "source", "specifications")),
    (DocumentationAgent, "update_documentation", ("d", "text", False)),
    (DocumentationAgent, "search_documentation", ("q", 2)),
    (DocumentationAgent, "get_cache_stats", ()),
    (DocumentationAgent, "clear_cache", ("api-*",)),
    (SupportAgent, "token_cached_rag.retrieve_tokens", ("q", 2, "api")),
    (SupportAgent, "token_cached_rag.generate_with_rag", ("q", 2, 9, 0.5, "api")),
    (SupportAgent, "token_cached_rag.get_cache_stats", ()),
    (SupportAgent, "token_cached_rag.reset_stats", ()),
    (SupportAgent, "token_cached_rag.clear_cache", ("api-*",)),
]
IDS = [name for _, name, _ in CALLS]
RETURNED_PART = {
    "clear_cache": lambda body: body["cleared"][1],
    "delete_conversation": lambda _: NoneType,
    "get_cache_stats": lambda by_agent: by_agent[2],
    "reset_stats": lambda _: NoneType,
    "retrieve_tokens": lambda body: ("list of", [body["token_ids"][1], body["metadata"][1]]),
}
"""What methods return that do not return the whole response, of the response's shape."""


class Sent(NamedTuple):
    """A request of an agent, as the application would read it."""

    method: str
    path: str
    params: httpx.QueryParams
    fields: dict[str, Any]
    content: bytes


class Recorder:
    """Lists the requests of agents, and gives every request the same answer."""

    def __init__(self):
        self.calls = []

    def __call__(self, request):
        is_json = request.headers.get("content-type") == "application/json"
        fields = json.loads(request.content) if is_json else {}
        url = request.url
        path = url.raw_path.decode().partition("?")[0]
        self.calls.append(Sent(request.method, path, url.params, fields, request.content))
        answers = {"documentation": {}, "support": {}, "cleared": 0, "token_ids": [], "metadata": {}}
        return httpx.Response(200, json=answers)


@pytest.fixture(scope="module")
def app():
    """The API, whose routes are not called."""
    return build_api(
        cast(
            Services,
            SimpleNamespace(
                gate=Gate(),
                settings=Settings.from_env({}),
                key_ring=KeyRing({}, cast(StoredKeyFinder, None)),
                spending=None,
                limits=None,
                meter=SILENT,
            ),
        )
    )


@pytest.fixture(scope="module")
def spec(app):
    """The API's description."""
    return app.openapi()


@pytest.fixture
def recorder(monkeypatch):
    """Records what agents send instead of sending it."""
    recorder = Recorder()
    connection = Connection("http://localhost", {}, transport=httpx.MockTransport(recorder))
    monkeypatch.setattr(agent, "connect", lambda *_: connection)
    return recorder


@pytest.fixture
def method_of(recorder):
    """A method of a new agent, by the agent's class and the method's name."""
    return lambda kind, name: attrgetter(name)(kind(TenantId("acme"), enable_memory=False))


@pytest.mark.parametrize(("kind", "name", "arguments"), CALLS, ids=IDS)
async def test_a_method_is_a_route_of_the_api(spec, recorder, method_of, kind, name, arguments):
    """With its path, its fields and its parameters, none missing that is required."""
    await method_of(kind, name)(*arguments)
    ((method, path, params, fields, _),) = recorder.calls
    declared, properties, required = _declared(spec, method, path)
    assert set(params) <= set(declared)
    assert {p for p, declaration in declared.items() if declaration["required"]} <= set(params)
    assert required <= set(fields) <= set(properties)
    takes_memory = {"enable_memory"} & (set(declared) | set(properties))
    sent = {**params, **fields}
    assert {"enable_memory"} & set(sent) == takes_memory
    assert sent.get("enable_memory", False) in {False, "false"}


@pytest.mark.parametrize(("kind", "name", "arguments"), CALLS, ids=IDS)
async def test_nothing_that_a_method_is_given_gets_lost(recorder, method_of, kind, name, arguments):
    """Every argument is in the path, the body or the parameters."""
    await method_of(kind, name)(*arguments)
    ((_, path, params, fields, content),) = recorder.calls
    sent = [*fields.values(), content, *map(unquote, path.split("/"))]
    in_query = [params.get_list(name) for name in params]
    for argument in arguments:
        as_params = [str(one) for one in (argument if isinstance(argument, list) else [argument])]
        assert argument in sent or as_params in in_query


@pytest.mark.parametrize(("kind", "name", "arguments"), CALLS, ids=IDS)
async def test_a_default_of_a_method_is_that_of_the_api(spec, recorder, method_of, kind, name, arguments):
    """As far as both have one."""
    method = method_of(kind, name)
    await method(*arguments)
    (sent,) = recorder.calls
    declared, properties, _ = _declared(spec, sent.method, sent.path)
    schemas = {**{name: parameter["schema"] for name, parameter in declared.items()}, **properties}
    for name, parameter in inspect.signature(method).parameters.items():
        default = schemas.get(name, {}).get("default")
        if default is not None and parameter.default not in (None, parameter.empty):
            assert (name, parameter.default) == (name, default)


@pytest.mark.parametrize(("kind", "name", "arguments"), CALLS, ids=IDS)
async def test_a_method_returns_the_shape_of_its_response(
    app, spec, recorder, method_of, kind, name, arguments
):
    """Every field of the response's model, nested ones too: whether it is required, and its type."""
    method = method_of(kind, name)
    await method(*arguments)
    (sent,) = recorder.calls
    path = _template(spec, sent.path, sent.method)
    (model,) = [r.response_model for r in app.routes if r.path_format == path and sent.method in r.methods]
    part = RETURNED_PART.get(name.rpartition(".")[2], lambda body: body)
    assert shape(get_type_hints(method)["return"]) == part(shape(model))


FILTERED = [
    (SupportAgent, "answer_support_query_cached"),
    (SupportAgent, "search_knowledge_base"),
    (DocumentationAgent, "lookup_documentation_cached"),
    (DocumentationAgent, "search_documentation"),
    (SupportAgent, "token_cached_rag.retrieve_tokens"),
    (SupportAgent, "token_cached_rag.generate_with_rag"),
]


@pytest.mark.parametrize(("kind", "name"), FILTERED, ids=[name for _, name in FILTERED])
async def test_a_filter_is_sent_as_the_route_takes_it(spec, recorder, method_of, kind, name):
    """In a body as JSON, in a query as the text of JSON; ids one by one."""
    only = {"lang": ["de", "en"], "product": "harbor"}
    await method_of(kind, name)("q", filter=only, doc_ids=["a/b", "c"])
    ((method, path, params, fields, _),) = recorder.calls
    declared, properties, _ = _declared(spec, method, path)
    assert {"filter", "doc_ids"} <= set(declared) | set(properties)
    sent = fields or {"filter": json.loads(params["filter"]), "doc_ids": params.get_list("doc_ids")}
    assert (sent["filter"], sent["doc_ids"]) == (only, ["a/b", "c"])


def _declared(spec, method, path):
    """Query parameters of a route, properties of its JSON body, and which of those are required."""
    operation = spec["paths"][_template(spec, path, method)][method.lower()]
    parameters = {p["name"]: p for p in operation.get("parameters", []) if p["in"] == "query"}
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schema = spec["components"]["schemas"].get(body.get("$ref", "").rpartition("/")[2], {})
    return parameters, schema.get("properties", {}), set(schema.get("required", []))


def _template(spec, path, method):
    """The path of the description that a path is one of."""
    parts = path.split("/")
    found = [
        known
        for known, operations in spec["paths"].items()
        if method.lower() in operations
        and len(known.split("/")) == len(parts)
        and all(k.startswith("{") or k == p for k, p in zip(known.split("/"), parts, strict=True))
    ]
    assert found, f"no route for {method} {path}"
    return min(found, key=lambda known: known.count("{"))
