"""HTTP requests as metrics: by route and status, errors by code, and no label that a caller makes up."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployments.core.errors import EngineUnavailable
from deployments.core.metrics import ERRORS, REQUEST_S, REQUESTS
from serve_app.metrics.http_requests import CLIENT_LEFT
from tests.unit.serve_app.fake_services import Api

QUESTION = {"query": "How do I reset it?"}
KEY = "acme-key-0123456789"


async def test_a_request_is_counted_by_its_routes_template(api):
    """Never by its path, which has names of documents."""
    await api.http.get("/v1/collections/support_kb/documents/guides/a.md")
    route = "/v1/collections/{name}/documents/{identifier}"
    assert api.recorded.of(REQUESTS, method="GET", route=route, status="404") == [1]
    assert api.recorded.of(ERRORS, route=route, error="not_found") == [1]
    assert len(api.recorded.of(REQUEST_S, route=route)) == 1


async def test_an_answer_is_no_error(api):
    """Its time is measured to the end of the response."""
    await api.http.post("/v1/support/answer", json=QUESTION)
    assert api.recorded.of(REQUESTS, status="200") == [1]
    assert api.recorded.of(ERRORS) == []
    assert all(took_s > 0 for took_s in api.recorded.of(REQUEST_S))


@pytest.mark.parametrize("stream", [False, True])
async def test_a_fault_of_the_engine_is_counted_once_also_in_a_stream(api, stream):
    """A stream that has begun has the status 200."""
    api.rig.generator.fault = EngineUnavailable("it died")
    await api.http.post("/v1/support/answer", json={**QUESTION, "stream": stream})
    assert api.recorded.of(ERRORS, route="/v1/support/answer", error="engine_unavailable") == [1]
    assert api.recorded.of(REQUESTS, status="200" if stream else "503") == [1]


async def test_a_request_that_was_refused_before_its_route_has_one():
    """As that of a caller without a key."""
    api = Api(api_keys=f"{KEY}=acme")
    await api.http.post("/v1/support/answer", json=QUESTION)
    assert api.recorded.of(ERRORS, route="/v1/support/answer", error="unauthorized") == [1]


async def test_a_body_that_does_not_fit_is_an_error(api):
    """FastAPI's own errors have codes too."""
    await api.http.post("/v1/support/answer", json={"query": 7})
    await api.http.delete("/v1/support/answer")
    assert api.recorded.of(ERRORS, error="invalid_request") == [1]
    assert api.recorded.of(ERRORS, error="method_not_allowed") == [1]


async def test_a_client_that_leaves_a_stream_is_counted(api):
    """It gets no error, so only the metrics tell of it."""
    sent: list[str] = []
    asked = False

    async def receive():
        nonlocal asked
        if asked:
            return {"type": "http.disconnect"}
        asked = True
        return {"type": "http.request", "body": b'{"query": "x", "stream": true}'}

    async def send(message):
        sent.append(message["type"])
        if message["type"] == "http.response.body":
            raise OSError("the socket is closed")

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/v1/support/answer"}
    scope |= {
        "headers": headers,
        "query_string": b"",
        "http_version": "1.1",
        "scheme": "http",
        "server": ("localhost", 80),
    }
    with contextlib.suppress(OSError):
        await api.app(scope, receive, send)
    assert api.recorded.of(ERRORS, error=CLIENT_LEFT) == [1]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1), st.sampled_from(["BREW", "GET"])
)
async def test_labels_are_never_made_up_by_a_caller(api, word, method):
    """Any path and method: the labels stay those of the application's routes."""
    await api.http.request(method, f"/{word}/{word}")
    await api.http.request(method, f"/v1/documentation/{word}")
    known = {getattr(route, "path_format", "") for route in api.app.routes} | {"other"}
    for metric, _, labels in api.recorded.values:
        if metric is REQUESTS:
            assert labels["route"] in known
            assert labels["method"] in {"GET", "other"}
