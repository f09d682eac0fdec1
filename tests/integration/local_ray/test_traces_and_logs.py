"""On Ray, in both modes of Serve: a trace crosses all deployments, and their logs are lines of JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from serve_app.local_ray import sessions_folder
from serve_app.settings import Settings
from tests.integration.local_ray.running import Running, local_app, within
from tests.otlp_receiver import OtlpReceiver, ReceivedSpan, otlp_receiver
from tests.traced_graph import ENGINE_STAGES, QUESTION, STAGES

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ROUTE = "/v1/support/answer"
EXPORTED_WITHIN_S = 15


@dataclass(frozen=True)
class Traced:
    """The running graph, where its spans arrive, and the folder of its logs."""

    running: Running
    collector: OtlpReceiver
    logs: Path

    def ask(self, *, stream: bool, **headers: str) -> None:
        body = {"query": QUESTION, "stream": stream}
        response = self.running.http.post(ROUTE, json=body, headers=headers)
        assert response.status_code == 200, response.text

    def lines(self) -> Iterator[dict[str, Any]]:
        """All lines of the logs of deployments, controller and proxies. Each must be JSON."""
        for file in self.logs.glob("*.log"):
            yield from map(json.loads, file.read_text().splitlines())


@pytest.fixture(scope="module", params=["on", "off"])
def traced(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    """With Serve's fast path, and without."""
    state_dir = tmp_path_factory.mktemp("state")
    with otlp_receiver() as collector:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        with local_app("traced_app", state_dir, request.param, **endpoint) as running:
            sessions = sessions_folder(Settings.from_env({}, state_dir=state_dir))
            (session,) = (path for path in sessions.iterdir() if not path.is_symlink())
            yield Traced(running, collector, session / "logs" / "serve")


@pytest.mark.parametrize("stream", [False, True])
def test_a_callers_trace_goes_through_every_deployment(traced: Traced, stream: bool) -> None:
    """Each span has its place, and comes from the process that did its work."""
    trace = os.urandom(16).hex()
    traced.ask(stream=stream, traceparent=f"00-{trace}-{PARENT}-01")
    spans: list[ReceivedSpan] = []

    def arrived() -> bool:
        spans[:] = [span for span in traced.collector.spans if span.trace_id == trace]
        return len(spans) == 2 + len(STAGES) + 2 + len(ENGINE_STAGES)

    assert within(EXPORTED_WITHIN_S, arrived), [span.name for span in spans]
    spans.sort(key=lambda span: span.start_ns)

    def children(of: str) -> list[ReceivedSpan]:
        return [span for span in spans if span.parent_id == of]

    (request,) = children(PARENT)
    (call,) = children(request.span_id)
    parts = children(call.span_id)
    (search,) = children(parts[0].span_id)
    assert request.name == f"POST {ROUTE}"
    assert call.name == ("Support.stream" if stream else "Support.answer")
    assert [part.name for part in parts] == [*STAGES, "Engine.generate"]
    assert search.name == "Library.search"
    assert {part.name for part in children(parts[-1].span_id)} == set(ENGINE_STAGES)
    processes = {span.resource["warmline.deployment"] for span in (request, call, search, parts[-1])}
    assert processes == {"Front", "Support", "Library", "Engine"}
    assert len({span.resource["service.instance.id"] for span in spans}) == len(processes)


def test_an_answer_is_one_line_of_json(traced: Traced) -> None:
    """With the ids of request and trace, and no text of the question."""
    traced.ask(stream=False, **{"traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-id": "my-request"})

    def answers() -> list[dict[str, Any]]:
        return [line for line in traced.lines() if line.get("request_id") == "my-request" and "reuse" in line]

    assert within(5, lambda: bool(answers()))
    (line,) = answers()
    assert (line["message"], line["levelname"], line["deployment"]) == ("answer", "INFO", "default_Support")
    assert (line["agent"], line["tenant"], line["trace_id"]) == ("support", "default", TRACE)
    assert line["reuse"]["segments"] == 3
    assert set(line["timings_ms"]) >= {"retrieve", "prefill", "total"}
    assert "zebra" not in str(list(traced.lines()))
