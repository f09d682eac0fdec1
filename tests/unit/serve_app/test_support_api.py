"""Questions over HTTP: one shape of answer, one body of errors."""

import json

import pytest

from deployments.core.errors import (
    DeadlineExceeded,
    EngineUnavailable,
    KnowledgeUnavailable,
    Overloaded,
)
from deployments.core.ledger import STAGES
from serve_app.http.answers import AnswerBody
from tests.unit.rag.rig import Rig
from tests.unit.serve_app.fake_services import Api, error_of

ANSWER = "/v1/support/answer"


async def ask(api, query="How do I reset it?", **body):
    return await api.http.post(ANSWER, json={"query": query, **body})


def events_of(response):
    """Pairs of event name and data; `[DONE]` has no name."""
    found = []
    for block in response.text.removesuffix("\n\n").split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        data = lines["data"]
        found.append((lines.get("event"), data if data == "[DONE]" else json.loads(data)))
    return found


async def test_an_answer_has_every_field(api):
    """The documented fields with the text first; no ids unless they were asked for."""
    response = await ask(api)
    assert response.status_code == 200
    body = response.json()
    expected = {*AnswerBody.model_fields, "response"} - {"prompt_token_ids", "token_ids"}
    assert set(body) == expected
    assert next(iter(body)) == "response"
    assert body["response"] == "Press Reset."
    assert body["cache_hit"] is True
    assert body["reuse"]["segments"] == 3
    assert set(body["timings_ms"]) == {*STAGES, "ttft", "total"}
    assert [citation["doc_id"] for citation in body["citations"]] == ["doc-0", "doc-1", "doc-2"]
    assert body["request_id"].startswith("req-")
    assert body["latency_ms"] == body["timings_ms"]["total"]


async def test_an_answer_without_context_has_the_same_fields(api):
    """An answer without passages has the same fields."""
    usual = (await ask(api)).json()
    fallback = (await ask(Api(Rig()))).json()
    assert fallback["reuse"]["answer"] == "no_context"
    assert fallback["citations"] == []
    assert fallback["context_tokens"] == 0
    for part in ("reuse", "timings_ms", "cache_stats"):
        assert fallback[part].keys() == usual[part].keys()
    assert fallback.keys() == usual.keys()


async def test_ids_come_when_they_are_asked_for(api):
    """They are the ids that the engine got and sampled."""
    body = (await ask(api, return_token_ids=True)).json()
    assert len(body["prompt_token_ids"]) == body["reuse"]["prompt_tokens"]
    assert body["token_ids"] == [ord(c) for c in "Press Reset."]


async def test_each_request_has_an_id_of_its_own(api):
    """The engine must never see the same id twice."""
    first, second = (await ask(api)).json(), (await ask(api)).json()
    assert first["request_id"] != second["request_id"]


async def test_the_question_reaches_the_agent_as_it_was_asked(api):
    """Every parameter, and the tenant of the header."""
    body = {"query": "Why?", "top_k": 2, "max_tokens": 7, "temperature": 0, "seed": 4}
    await api.http.post(ANSWER, json=body, headers={"X-Business-Id": "acme"})
    (request,) = api.rig.generator.requests
    (query,) = api.rig.retriever.queries
    assert (request.sampling.max_tokens, request.sampling.temperature, request.sampling.seed) == (7, 0.0, 4)
    assert (query.text, query.top_k, query.scope.tenant) == ("Why?", 2, "acme")


async def test_a_stream_is_deltas_then_the_ledger_then_done(api):
    """Text as it is generated; the ledger is the last event before [DONE]."""
    response = await ask(api, stream=True)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    *deltas, (last, ledger), (_, end) = events_of(response)
    assert [name for name, _ in deltas] == ["delta", "delta"]
    assert "".join(data["text"] for _, data in deltas) == "Press Reset."
    assert (last, end) == ("ledger", "[DONE]")
    assert ledger.keys() == (await ask(api)).json().keys()
    assert ledger["response"] == "Press Reset."


async def test_a_stream_without_context_has_the_same_form(api):
    """An answer without passages is streamed too."""
    names = [name for name, _ in events_of(await ask(Api(Rig()), stream=True))]
    assert names == ["delta", "ledger", None]


async def test_texts_beyond_ascii_stream_as_they_are():
    """Line breaks in a text do not end an event."""
    from tests.unit.rag.rig import delta

    text = "Größe\n\ndata: [DONE]\r\n✓"
    api = Api(Rig(Api().rig.retriever.passages, deltas=[delta(text, finish_reason="stop")]))
    events = events_of(await ask(api, stream=True))
    assert events[0] == ("delta", {"text": text})
    assert events[-1] == (None, "[DONE]")


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (EngineUnavailable("the engine is starting"), 503),
        (Overloaded("too many"), 429),
        (DeadlineExceeded("too late"), 504),
        (KnowledgeUnavailable("gone"), 503),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_before_the_first_delta_has_its_status(api, fault, status, stream):
    """No header was sent yet, so the stream's response has the error's status."""
    api.rig.retriever.fault = fault
    response = await ask(api, stream=stream)
    assert response.status_code == status
    assert error_of(response)["message"] == fault.message
    assert ("retry-after" in response.headers) == (status in {429, 503})


async def test_an_error_after_the_first_delta_is_an_event_and_the_end(api):
    """Headers are sent: the stream ends with an `error` event and without a ledger."""
    api.rig.generator.fault = EngineUnavailable("the replica died")
    response = await ask(api, stream=True)
    assert response.status_code == 200
    *deltas, (name, data), (_, end) = events_of(response)
    assert {delta for delta, _ in deltas} == {"delta"}
    assert (name, end) == ("error", "[DONE]")
    assert data["error"]["code"] == "engine_unavailable"
    assert data["error"]["message"] == "the replica died"


async def test_an_unexpected_error_in_a_stream_shows_no_details(api, caplog):
    """Only the log has its cause."""
    api.rig.generator.fault = RuntimeError("hunter2")
    response = await ask(api, stream=True)
    assert events_of(response)[-2][1]["error"]["code"] == "internal_error"
    assert "hunter2" not in response.text
    assert "hunter2" in caplog.text


@pytest.mark.parametrize("stream", [False, True])
async def test_half_an_answer_is_an_error(api, stream):
    """If the engine fails half way, no response looks like a complete answer."""
    api.rig.generator.fault = EngineUnavailable("the replica died")
    response = await ask(api, stream=stream)
    if stream:
        assert "event: ledger" not in response.text
    else:
        assert response.status_code == 503


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"query": ""}, "query"),
        ({"query": " \n\t"}, "query"),
        ({"query": "x" * 8001}, "query"),
        ({"query": None}, "query"),
        ({"query": 5}, "query"),
        ({"query": ["x"]}, "query"),
        ({}, "query"),
        ({"query": "x", "top_k": 0}, "top_k"),
        ({"query": "x", "top_k": 1000}, "top_k"),
        ({"query": "x", "top_k": "five"}, "top_k"),
        ({"query": "x", "top_k": 1.5}, "top_k"),
        ({"query": "x", "max_tokens": 0}, "max_tokens"),
        ({"query": "x", "max_tokens": 10**9}, "max_tokens"),
        ({"query": "x", "temperature": -1}, "temperature"),
        ({"query": "x", "temperature": 2.5}, "temperature"),
        ({"query": "x", "seed": 2**63}, "seed"),
        ({"query": "x", "stream": "perhaps"}, "stream"),
        ({"query": "x", "cache_salt": "mine"}, "cache_salt"),
        ({"query": "x", "tenant": "other"}, "tenant"),
        ({"query": "x", "request_id": "mine"}, "request_id"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_wrong_is_named_and_costs_nothing(api, body, param, stream):
    """400 with the field's name, with or without `stream`; nothing is searched or generated."""
    response = await api.http.post(ANSWER, json={"stream": stream, **body})
    assert response.status_code == 400
    error = error_of(response)
    assert (error["param"], error["code"]) == (param, "invalid_request")
    assert param in error["message"]
    assert api.rig.retriever.queries == []


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"7",
        b'{"query": "x"',
        b"\xff\xfe",
        b'{"query": "\xff"}',
        b'{"query": "x", "temperature": NaN}',
        b'{"query": "x", "temperature": Infinity}',
        b'{"query": "x", "temperature": 1e999}',
        b'{"query": "x", "top_k": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"query": "\\ud800"}',
        b'{"query": "x", "\\ud800": 1}',
        b'{"query": "x", "": 1}',
    ],
)
async def test_a_body_that_is_no_question_is_refused(api, raw):
    """Malformed, invalid or hostile JSON: 400 with the body of all errors, never a crash."""
    response = await api.http.post(ANSWER, content=raw, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert error_of(response)["code"] == "invalid_request"
    assert api.rig.generator.requests == []


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
async def test_a_body_must_say_that_it_is_json(api, content_type):
    """415 with the header to send, which curl users often forget."""
    headers = {"Content-Type": content_type} if content_type else {}
    response = await api.http.post(ANSWER, content=b'{"query": "x"}', headers=headers)
    assert response.status_code == 415
    assert "application/json" in error_of(response)["message"]


async def test_json_may_come_with_a_charset(api):
    """Clients often add one."""
    headers = {"Content-Type": "application/json; charset=utf-8"}
    response = await api.http.post(ANSWER, content=b'{"query": "x"}', headers=headers)
    assert response.status_code == 200


async def test_a_question_that_leaves_no_room_is_told_so():
    """The caller can shorten the question."""
    api = Api(Rig(Api().rig.retriever.passages, max_model_len=550))
    error = error_of(await ask(api))
    assert (error["code"], error["param"]) == ("prompt_too_long", "query")
