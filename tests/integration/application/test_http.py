"""The edge of the running application: errors, streams, listeners."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.application.running import Application, until
from tests.listeners import family, listening_sockets

LONG = {"query": "How do I reset my password?", "max_tokens": 400, "temperature": 0, "stream": True}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"query": ""}, "query"),
        ({"query": "x" * 8001}, "query"),
        ({"query": "x", "top_k": 0}, "top_k"),
        ({"query": "x", "top_k": 1000}, "top_k"),
        ({"query": "x", "tenant": "other"}, "tenant"),
    ],
)
def test_what_is_wrong_is_named(application: Application, body: dict[str, Any], param: str) -> None:
    """Bad input has the right status, one body, and costs nothing."""
    response = application.http.post("/v1/support/answer", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


def test_a_body_that_is_too_large_is_refused(application: Application) -> None:
    """Before it is read."""
    response = application.http.post("/v1/support/answer", content=b" " * (11 * 2**20))
    assert response.status_code == 413


def test_the_first_token_arrives_while_the_engine_still_generates(application: Application) -> None:
    """A proxy that collects the stream would deliver it after the generation has ended."""
    with application.http.stream("POST", "/v1/support/answer", json=LONG) as response:
        lines = response.iter_lines()
        assert next(lines) == "event: delta"
        assert application.engine_counters()["running"] == 1
        events = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    ledger = json.loads(events[-2])
    assert ledger["reuse"]["prompt_tokens"] > 0
    texts = [json.loads(event)["text"] for event in events[:-2]]
    assert ledger["response"] == "".join(texts).strip()


def test_hanging_up_ends_the_generation_in_the_engine(application: Application) -> None:
    """The engine generates no tokens for a client that has gone."""
    with application.http.stream("POST", "/v1/support/answer", json=LONG) as response:
        assert next(response.iter_lines()) == "event: delta"
    until(lambda: application.engine_counters()["running"] == 0, 10, "the engine still generates")


def test_every_listener_is_private(application: Application) -> None:
    """Every port and socket of the application, the engine's and the embedded server's included."""
    listeners = listening_sockets(application.process.pid)
    for pid in application.pids("valkey"):
        listeners += listening_sockets(pid)
    assert any(listener.port == application.http.base_url.port for listener in listeners)
    assert any("valkey" in listener.command for listener in listeners)
    assert [listener for listener in listeners if not listener.is_private] == []
    assert len(family(application.process.pid)) > 5
