"""One answer is one trace: its stages and remote calls are in the right parents, and say nothing private."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from tests.traced_graph import BROKEN, ENGINE_STAGES, QUESTION, STAGES, TENANT
from tests.unit.tracing.conftest import Exported

ROUTE = "/v1/support/answer"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def traceparent(flags: str = "01") -> dict[str, str]:
    return {"traceparent": f"00-{TRACE}-{PARENT}-{flags}", "tracestate": "vendor=1"}


async def ask(
    http: httpx.AsyncClient,
    query: str = QUESTION,
    headers: Mapping[str, str] | None = None,
    *,
    stream: bool = False,
) -> str:
    response = await http.post(ROUTE, json={"query": query, "stream": stream}, headers=headers)
    return response.text


def children(of: ReadableSpan, spans: list[ReadableSpan]) -> list[ReadableSpan]:
    return [span for span in spans if span.parent and span.parent.span_id == of.context.span_id]


def named(name: str, spans: list[ReadableSpan]) -> ReadableSpan:
    (found,) = (span for span in spans if span.name == name)
    return found


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_is_one_trace(exported: Exported, http: httpx.AsyncClient, stream: bool) -> None:
    """From the HTTP request to the engine's stages; each part has its place."""
    assert "Reset." in await ask(http, stream=stream)
    spans = exported()
    assert len({span.context.trace_id for span in spans}) == 1
    request = named(f"POST {ROUTE}", spans)
    assert request.parent is None
    (call,) = children(request, spans)
    assert call.name == ("Support.stream" if stream else "Support.answer")
    parts = children(call, spans)
    assert [part.name for part in parts] == [*STAGES, "Engine.generate"]
    assert [part.name for part in children(parts[0], spans)] == ["Library.search"]
    engine = sorted(children(parts[-1], spans), key=lambda part: part.end_time or 0)
    assert [part.name for part in engine] == ENGINE_STAGES
    assert len(spans) == 2 + len(parts) + 1 + len(engine)


async def test_spans_have_the_attributes_of_generative_ai_and_of_the_ledger(
    exported: Exported, http: httpx.AsyncClient
) -> None:
    """The same figures as in the answer itself."""
    body = {"query": QUESTION, "temperature": 0}
    answer = (await http.post(ROUTE, json=body, headers={"x-request-id": "r-1"})).json()
    spans = exported()
    request, call = dict(named(f"POST {ROUTE}", spans).attributes or {}), named("Support.answer", spans)
    assert request == {
        "http.request.method": "POST",
        "http.route": ROUTE,
        "http.response.status_code": 200,
        "warmline.request_id": "r-1",
    }
    ledger = dict(call.attributes or {})
    assert (ledger["gen_ai.operation.name"], ledger["gen_ai.agent.name"]) == ("invoke_agent", "support")
    assert ledger["warmline.request_id"] == "r-1"
    assert ledger["warmline.prompt_tokens"] == answer["reuse"]["prompt_tokens"]
    assert ledger["warmline.segments"] == answer["reuse"]["segments"] == 3
    engine = dict(named("Engine.generate", spans).attributes or {})
    assert (engine["gen_ai.operation.name"], engine["gen_ai.request.model"]) == ("chat", "tiny")
    assert engine["gen_ai.request.temperature"] == 0
    assert engine["gen_ai.usage.input_tokens"] == answer["reuse"]["prompt_tokens"]
    assert engine["gen_ai.usage.cache_read.input_tokens"] == answer["reuse"]["kv_cached_tokens"] == 32
    assert engine["gen_ai.usage.output_tokens"] == answer["total_tokens"] - answer["reuse"]["prompt_tokens"]
    assert engine["gen_ai.response.finish_reasons"] == ("stop",)


async def test_spans_name_no_question_no_document_and_no_tenant(
    exported: Exported, http: httpx.AsyncClient
) -> None:
    """An error's message may have texts too, so only its type is in the span."""
    await ask(http, QUESTION)
    await ask(http, f"{QUESTION} {BROKEN}")
    await http.get("/v1/collections/support_kb/documents/zebra-care")
    told = " ".join(span.to_json() for span in exported())
    assert "Engine.generate" in told
    for private in ("zebra", "Title of", "Body", "Press", TENANT):
        assert private not in told


async def test_a_callers_trace_goes_on(exported: Exported, http: httpx.AsyncClient) -> None:
    """Its span is the parent of the request's, and its vendor's state reaches the last span."""
    await ask(http, headers=traceparent())
    spans = exported()
    request = named(f"POST {ROUTE}", spans)
    assert f"{request.context.trace_id:032x}" == TRACE
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" == PARENT
    assert {span.context.trace_state.get("vendor") for span in spans} == {"1"}


async def test_a_caller_decides_that_its_trace_is_not_recorded(
    exported: Exported, http: httpx.AsyncClient
) -> None:
    """By the flag of `traceparent`, which all deployments follow."""
    await ask(http, headers=traceparent("00"))
    assert exported() == []


async def test_an_invalid_traceparent_is_ignored(exported: Exported, http: httpx.AsyncClient) -> None:
    """The request begins a trace of its own."""
    invalid = ["", "00-1-2-01", f"00-{'0' * 32}-{PARENT}-01", f"ff-{TRACE}-{PARENT}-01", "x" * 10_000]
    for header in invalid:
        await ask(http, headers={"traceparent": header})
    requests = [span for span in exported() if span.name == f"POST {ROUTE}"]
    assert [span.parent for span in requests] == [None] * len(invalid)


async def test_a_failure_marks_the_spans_that_it_passes(exported: Exported, http: httpx.AsyncClient) -> None:
    """With the type of the error, and the status of the response. The engine is called twice."""
    await ask(http, BROKEN)
    spans = exported()
    failed = [span for span in spans if span.status.status_code is StatusCode.ERROR]
    assert [(span.name, (span.attributes or {}).get("error.type")) for span in failed] == [
        (f"POST {ROUTE}", "503"),
        ("Support.answer", "EngineUnavailable"),
        ("Engine.generate", "EngineUnavailable"),
        ("Engine.generate", "EngineUnavailable"),
    ]


async def test_a_refused_request_is_no_failure_of_the_server(
    exported: Exported, http: httpx.AsyncClient
) -> None:
    """A status below 500 is the caller's fault; the span says only what was answered."""
    await http.post(ROUTE, json={"query": 1})
    (span,) = exported()
    assert span.status.status_code is StatusCode.UNSET
    assert (span.attributes or {})["http.response.status_code"] == 400


async def test_a_client_cannot_name_spans(exported: Exported, http: httpx.AsyncClient) -> None:
    """Neither by a path that does not exist, nor by a method: a backend keeps each name that it gets."""
    await http.get("/v1/zebra")
    await http.request("ZEBRA", ROUTE)
    assert "zebra" not in " ".join(span.to_json() for span in exported()).lower()


async def test_a_reader_that_leaves_ends_the_spans(exported: Exported, http: httpx.AsyncClient) -> None:
    """They are no failures: nothing went wrong."""
    async with http.stream("POST", ROUTE, json={"query": QUESTION, "stream": True}) as response:
        await anext(response.aiter_lines())
    await asyncio.sleep(0)
    assert {span.name for span in exported()} >= {f"POST {ROUTE}", "Support.stream", "Engine.generate"}
    assert all(span.status.is_unset for span in exported())


async def test_probes_and_the_page_have_no_trace(exported: Exported, http: httpx.AsyncClient) -> None:
    """A probe comes every few seconds."""
    for path in ("/healthz", "/readyz", "/"):
        assert (await http.get(path)).status_code == 200
    assert exported() == []
