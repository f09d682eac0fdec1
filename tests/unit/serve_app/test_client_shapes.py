"""Every method of the Python agents sends what the API's description knows, and all that it is given."""

from types import SimpleNamespace
from typing import cast

import pytest

from deployments.core.ids import TenantId
from serve_app.client import BusinessGenerationAgent, DocumentationAgent, SupportAgent, agent
from serve_app.http.application import build_api
from serve_app.services import Services
from serve_app.settings import Settings

TEMPLATE = ("saas", {"name": "A"}, {"success_score": 0.9}, "ann")
CALLS = [
    (SupportAgent, "answer_support_query_cached", ("q", 2, 9)),
    (SupportAgent, "create_ticket", ("ann", "It fails", "high")),
    (SupportAgent, "respond_to_ticket", ("t", "Try again.", "resolved")),
    (SupportAgent, "escalate_ticket", ("t", "why", "backend", "urgent")),
    (SupportAgent, "search_knowledge_base", ("q", "api", 2)),
    (SupportAgent, "generate_support_report", ("2026-11-01", "2026-11-30")),
    (SupportAgent, "process_ticket_image", (b"picture", ["it fails"])),
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
]


class Recorder:
    """A `Transport` that lists what was called and has one answer to everything."""

    def __init__(self):
        self.calls = []

    async def call(self, method, path, *, json=None, params=None, content=None, headers=None):
        self.calls.append((method, path, json or {}, params or {}, content))
        return {"documentation": {}, "cleared": 0}


@pytest.fixture(scope="module")
def spec():
    """The API's description."""
    return build_api(cast(Services, SimpleNamespace(settings=Settings.from_env({})))).openapi()


@pytest.fixture
def recorder(monkeypatch):
    """What agents send goes nowhere."""
    recorder = Recorder()
    monkeypatch.setattr(agent, "connect", lambda *_: recorder)
    return recorder


@pytest.mark.parametrize(("kind", "name", "arguments"), CALLS, ids=[name for _, name, _ in CALLS])
async def test_a_method_is_a_route_of_the_api(spec, recorder, kind, name, arguments):
    """With its path, its fields and its parameters, none missing that is required."""
    await getattr(kind(TenantId("acme"), enable_memory=False), name)(*arguments)
    ((method, path, fields, params, _),) = recorder.calls
    operation = spec["paths"][_template(spec, path, method)][method.lower()]
    declared = {p["name"]: p for p in operation.get("parameters", []) if p["in"] == "query"}
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schema = spec["components"]["schemas"].get(body.get("$ref", "").rpartition("/")[2], {})
    assert set(params) <= set(declared)
    assert {p for p, declaration in declared.items() if declaration["required"]} <= set(params)
    assert set(schema.get("required", [])) <= set(fields) <= set(schema.get("properties", {}))
    takes_memory = {"enable_memory"} & (set(declared) | set(schema.get("properties", {})))
    sent = {**params, **fields}
    assert {"enable_memory"} & set(sent) == takes_memory
    assert sent.get("enable_memory", False) is False


@pytest.mark.parametrize(("kind", "name", "arguments"), CALLS, ids=[name for _, name, _ in CALLS])
async def test_nothing_that_a_method_is_given_gets_lost(recorder, kind, name, arguments):
    """Every argument stands in the path, the body or the parameters."""
    await getattr(kind(TenantId("acme")), name)(*arguments)
    ((_, path, fields, params, content),) = recorder.calls
    sent = [*fields.values(), *params.values(), content, *path.split("/")]
    for argument in arguments:
        assert argument in sent


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
