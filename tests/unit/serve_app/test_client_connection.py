"""How the Python client's calls travel, and how their errors come back."""

import json
import sys
from types import SimpleNamespace

import httpx
import pytest
from ray import serve
from ray.serve.exceptions import RayServeException

from deployments.core import errors
from deployments.core.ids import TenantId
from serve_app.client.responses import result_of
from serve_app.client.transport import HttpTransport, connect, default_url
from serve_app.handles.client import HandleTransport
from serve_app.ingress import Ingress
from serve_app.problems import STATUS, problem

TENANT = {"x-business-id": "acme"}
QUESTION = {"query": "How do I reset it?"}


class FakeFront:
    """A handle of an `Ingress`. `calls` lists what was sent over it."""

    def __init__(self, app):
        self._ingress = Ingress.__new__(Ingress)
        self._ingress._app = app
        self.calls = []
        self.fault = None
        self.call = SimpleNamespace(remote=self._remote)

    async def _remote(self, *arguments):
        self.calls.append(arguments)
        if self.fault is not None:
            raise self.fault
        return await self._ingress.call(*arguments)


@pytest.fixture
def front(api, monkeypatch):
    """The handle that a client inside Ray finds."""
    front = FakeFront(api.app)
    monkeypatch.setattr(serve, "get_deployment_handle", lambda *names: front)
    return front


@pytest.fixture(params=["http", "handle"])
def transport(request, api, front):
    """Both ways to the same application."""
    if request.param == "http":
        return HttpTransport("http://test", TENANT, httpx.ASGITransport(api.app))
    return HandleTransport(TENANT)


async def test_json_goes_there_and_comes_back(transport, api):
    """For the tenant of the transport, with the routes' own checks."""
    answer = await transport.call("POST", "/v1/support/answer", json=QUESTION)
    assert answer["response"] == "Press Reset."
    assert [query.scope.tenant for query in api.rig.retriever.queries] == ["acme"]


async def test_parameters_that_are_none_are_left_out_and_lists_repeated(transport, api):
    """A query is the same over both transports, signs of its own syntax included."""
    params = {"query": "a&b=c +ü", "category": None, "top_k": 2}
    found = await transport.call("GET", "/v1/support/search", params=params)
    assert (found["query"], found["category"], found["total_results"]) == ("a&b=c +ü", None, 2)


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "param"),
    [
        ("POST", "/v1/support/answer", {"query": ""}, errors.InvalidRequest, "query"),
        ("POST", "/v1/cache/clear", {"agent": "nobody"}, errors.NotFound, "agent"),
        ("GET", "/v1/support/tickets/none", None, errors.NotFound, "ticket_id"),
        ("GET", "/v1/nowhere", None, errors.NotFound, None),
        ("DELETE", "/healthz", None, errors.InvalidRequest, None),
    ],
)
async def test_errors_are_raised_as_what_they_are(transport, method, path, body, kind, param):
    """By their code, with the field at fault."""
    with pytest.raises(errors.WarmlineError) as raised:
        await transport.call(method, path, json=body)
    assert (type(raised.value), raised.value.param) == (kind, param)


async def test_a_closed_transport_opens_again(transport):
    """One agent may be shared by those who close it and those who do not."""
    await transport.call("GET", "/healthz")
    await transport.aclose()
    assert await transport.call("GET", "/healthz") == {"status": "ok"}


@pytest.mark.parametrize("kind", STATUS, ids=lambda kind: kind.__name__)
def test_every_error_comes_back_as_its_own_class(kind):
    """Except those of the server's own making, which tell nothing of their cause."""
    status, body = problem(kind("said", "field"))
    with pytest.raises(errors.WarmlineError) as raised:
        result_of(status, "application/json", json.dumps(body).encode(), "here")
    internal = status == 500
    assert type(raised.value) is (errors.InternalFault if internal else kind)
    assert raised.value.param == (None if internal else "field")
    assert internal or raised.value.message == "said"


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (200, "text/html", b"<html>"),
        (502, "text/plain", b"Bad Gateway"),
        (404, "application/json", b'{"detail": "Not Found"}'),
        (302, "application/json", b"{}"),
    ],
)
def test_an_answer_of_something_else_is_no_answer(status, content_type, body):
    """Another program on the port, or a proxy without us."""
    with pytest.raises(errors.Unavailable, match=r"http://here"):
        result_of(status, content_type, body, "http://here")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (httpx.ConnectError("refused"), errors.Unavailable),
        (httpx.ConnectTimeout(""), errors.Unavailable),
        (httpx.RemoteProtocolError("cut"), errors.Unavailable),
        (httpx.ReadTimeout(""), errors.DeadlineExceeded),
    ],
)
async def test_where_nothing_answers_the_url_is_named(fault, kind):
    """And no error of the HTTP library's reaches the caller."""

    def refuse(_):
        raise fault

    transport = HttpTransport("http://nobody:1", TENANT, httpx.MockTransport(refuse))
    with pytest.raises(kind, match="http://nobody:1"):
        await transport.call("GET", "/healthz")


async def test_an_api_key_and_the_tenant_are_in_every_request():
    """As the header that the application reads them from."""
    seen = []

    def answer(request):
        seen.append(request.headers)
        return httpx.Response(200, json={})

    transport = connect(TenantId("acme"), "http://there", "secret")
    assert isinstance(transport, HttpTransport)
    transport._through = httpx.MockTransport(answer)
    await transport.call("GET", "/healthz", headers={"idempotency-key": "k"})
    (headers,) = seen
    named = [headers[name] for name in ("x-business-id", "authorization", "idempotency-key")]
    assert named == ["acme", "Bearer secret", "k"]


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"WARMLINE_HTTP_HOST": "10.0.0.5", "WARMLINE_HTTP_PORT": "81"}, "http://10.0.0.5:81"),
        ({"WARMLINE_HTTP_HOST": "::1", "WARMLINE_HTTP_PORT": ""}, "http://[::1]:8000"),
    ],
)
def test_the_own_machines_application_is_found_by_its_settings(environ, url):
    """The same variables that it was started with."""
    assert default_url(environ) == url


@pytest.mark.parametrize(
    ("initialised", "url", "kind"),
    [
        (True, None, HandleTransport),
        (True, "http://there", HttpTransport),
        (False, None, HttpTransport),
        (None, None, HttpTransport),
    ],
)
def test_inside_ray_calls_go_over_a_handle(monkeypatch, initialised, url, kind):
    """Unless a URL says otherwise; where Ray is not even imported, it is not imported for this."""
    if initialised is None:
        monkeypatch.delitem(sys.modules, "ray")
    else:
        monkeypatch.setattr(sys.modules["ray"], "is_initialized", lambda: initialised)
    assert type(connect(TenantId("acme"), url, None)) is kind
    assert ("ray" in sys.modules) == (initialised is not None)


async def test_a_handle_carries_plain_values(front):
    """Nothing that another version of a library could not unpickle."""
    await HandleTransport(TENANT).call("GET", "/v1/support/search", params={"query": "x"})
    assert front.calls == [("GET", "/v1/support/search", (("query", "x"),), TENANT, b"")]


@pytest.mark.parametrize("fault", [KeyError("Ingress"), RayServeException("no controller")])
async def test_a_ray_without_the_application_says_so(monkeypatch, fault):
    """And how to reach one elsewhere."""

    def missing(*_):
        raise fault

    monkeypatch.setattr(serve, "get_deployment_handle", missing)
    with pytest.raises(errors.Unavailable, match="url"):
        await HandleTransport(TENANT).call("GET", "/healthz")


async def test_a_front_that_is_gone_is_unavailable(front):
    """Ray's own errors do not reach the caller."""
    front.fault = RayServeException("gone")
    with pytest.raises(errors.Unavailable, match="the application"):
        await HandleTransport(TENANT).call("GET", "/healthz")
