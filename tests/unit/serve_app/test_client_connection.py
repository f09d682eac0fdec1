"""How the Python client sends requests, and how it raises their errors."""

import asyncio
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from ray import serve
from ray.serve.exceptions import RayServeException

from deployments.core import errors
from deployments.core.ids import TenantId
from serve_app.client.connection import Connection, connect, default_url
from serve_app.client.ray_transport import RayTransport
from serve_app.client.responses import result_of
from serve_app.ingress import Ingress
from serve_app.problems import STATUS, problem

ROOT = Path(__file__).parents[3]
URL = "http://localhost"
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


def over_handle():
    """A connection over the handle alone."""
    return Connection(URL, TENANT, transport=RayTransport())


@pytest.fixture(params=["http", "handle"])
def connection(request, api, front):
    """Both ways to the same application."""
    if request.param == "http":
        return Connection(URL, TENANT, transport=httpx.ASGITransport(api.app))
    return over_handle()


async def test_json_goes_there_and_comes_back(connection, api):
    """For the tenant of the connection, with the routes' own checks."""
    answer = await connection.post("/v1/support/answer", **QUESTION)
    assert answer["response"] == "Press Reset."
    assert [query.scope.tenant for query in api.rig.retriever.queries] == ["acme"]


async def test_parameters_that_are_none_are_left_out(connection, api):
    """Both transports send the same query, also with characters such as & and %."""
    found = await connection.get("/v1/support/search", query="a&b=c +ü", category=None, top_k=2)
    assert (found["query"], found["category"], found["total_results"]) == ("a&b=c +ü", None, 2)


async def test_a_path_is_unquoted_once(connection):
    """Over a handle too."""
    with pytest.raises(errors.NotFound, match="there is no ticket a%41"):
        await connection.get("/v1/support/tickets/a%2541")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
async def test_what_json_has_no_number_for_is_refused(connection, value):
    """Before anything is sent."""
    with pytest.raises(ValueError, match="JSON"):
        await connection.post("/v1/business/templates", success_metrics={"success_score": value})


async def test_a_text_that_is_no_unicode_is_refused_by_its_field(connection):
    """The application answers, not the encoder."""
    with pytest.raises(errors.InvalidRequest) as raised:
        await connection.post("/v1/support/answer", query="\ud800")
    assert raised.value.param == "query"


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
async def test_errors_are_raised_as_what_they_are(connection, method, path, body, kind, param):
    """By their code, with the name of the invalid field."""
    with pytest.raises(errors.WarmlineError) as raised:
        await connection.request(method, path, fields=body)
    assert (type(raised.value), raised.value.param) == (kind, param)


async def test_a_closed_connection_opens_again(connection):
    """Callers can share an agent that one of them closes."""
    await connection.get("/healthz")
    await connection.aclose()
    assert await connection.get("/healthz") == {"status": "ok"}


def test_a_connection_works_in_another_event_loop(connection):
    """Without being closed in between."""
    for _ in range(2):
        assert asyncio.run(connection.get("/healthz")) == {"status": "ok"}


@pytest.mark.parametrize("kind", STATUS, ids=lambda kind: kind.__name__)
def test_every_error_comes_back_as_its_own_class(kind):
    """Except internal errors, whose message does not show the cause."""
    status, body = problem(kind("said", "field"))
    with pytest.raises(errors.WarmlineError) as raised:
        result_of(httpx.Response(status, json=body), "here")
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
    """Another program has the port, or a proxy answers without the application."""
    response = httpx.Response(status, headers={"content-type": content_type}, content=body)
    with pytest.raises(errors.Unavailable, match=r"http://here"):
        result_of(response, "http://here")


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
    """The caller gets a WarmlineError, not one of the HTTP library."""

    def refuse(_):
        raise fault

    connection = Connection("http://nobody:1", TENANT, transport=httpx.MockTransport(refuse))
    with pytest.raises(kind, match="http://nobody:1"):
        await connection.get("/healthz")


async def test_an_api_key_and_the_tenant_are_in_every_request():
    """As the header that the application reads them from."""
    seen = []

    def answer(request):
        seen.append(request.headers)
        return httpx.Response(200, json={})

    connection = connect(TenantId("acme"), "http://there", "secret")
    connection._transport = httpx.MockTransport(answer)
    await connection.get("/healthz")
    (headers,) = seen
    named = [headers[name] for name in ("x-business-id", "authorization")]
    assert named == ["acme", "Bearer secret"]


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
        (True, None, RayTransport),
        (True, "http://there", httpx.AsyncHTTPTransport),
        (False, None, httpx.AsyncHTTPTransport),
        (None, None, httpx.AsyncHTTPTransport),
    ],
)
def test_inside_ray_calls_go_over_a_handle(monkeypatch, initialised, url, kind):
    """Unless a URL is given. The client does not import Ray to find out."""
    if initialised is None:
        monkeypatch.delitem(sys.modules, "ray")
    else:
        monkeypatch.setattr(sys.modules["ray"], "is_initialized", lambda: initialised)
    client = connect(TenantId("acme"), url, None)._opened()
    assert type(client._transport) is kind
    assert ("ray" in sys.modules) == (initialised is not None)


@pytest.mark.parametrize(("url", "proxied"), [(None, False), ("http://there", True)])
def test_a_proxy_is_used_only_for_a_url_that_was_given(monkeypatch, url, proxied):
    """A proxy from the environment is not used for this machine's application."""
    monkeypatch.delitem(sys.modules, "ray")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    client = connect(TenantId("acme"), url, None)._opened()
    chosen = client._transport_for_url(client.base_url)
    assert (chosen is not client._transport) == proxied


def test_no_connection_stays_open_and_answers_may_take_long():
    """Agents need not be closed, and the application has its own deadline."""
    client = connect(TenantId("acme"), "http://there", None)._opened()
    assert isinstance(client._transport, httpx.AsyncHTTPTransport)
    assert client._transport._pool._max_keepalive_connections == 0
    assert client.timeout == httpx.Timeout(None, connect=5.0, read=600.0, write=60.0)


def test_to_import_the_client_imports_neither_ray_nor_the_server():
    """A program that calls the application over HTTP may lack both."""
    code = "import sys, serve_app.client; print({'ray', 'fastapi', 'starlette', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


async def test_a_handle_carries_plain_values(front):
    """Any version of the libraries can unpickle them."""
    await over_handle().get("/v1/support/search", query="x")
    ((method, url, headers, body),) = front.calls
    assert (method, url, body) == ("GET", f"{URL}/v1/support/search?query=x", b"")
    assert type(headers) is list
    assert {type(part) for header in headers for part in header} == {str}
    assert dict(headers)["x-business-id"] == "acme"


@pytest.mark.parametrize("fault", [KeyError("Ingress"), RayServeException("no controller")])
async def test_a_ray_without_the_application_says_so(monkeypatch, fault):
    """And how to reach one elsewhere."""

    def missing(*_):
        raise fault

    monkeypatch.setattr(serve, "get_deployment_handle", missing)
    with pytest.raises(errors.Unavailable, match="url"):
        await over_handle().get("/healthz")


async def test_a_front_that_is_gone_is_unavailable(front):
    """Ray's own errors do not reach the caller."""
    front.fault = RayServeException("gone")
    with pytest.raises(errors.Unavailable, match="the application"):
        await over_handle().get("/healthz")
