"""Answers in JSON, several answers to one request, and answers that continue a text."""

import json

import pytest

from deployments.agents.answer_schema import MAX_DEPTH
from deployments.core.errors import EngineUnavailable
from deployments.core.limits import MAX_SEED
from tests.unit.rag.rig import Rig
from tests.unit.serve_app.fake_services import Api, error_of
from tests.unit.serve_app.test_openai_api import CHAT, LEDGER, QUESTION, chat, data_of

SCHEMA = {
    "type": "object",
    "properties": {"plan": {"type": "string"}},
    "required": ["plan"],
    "additionalProperties": False,
}
PLAN = {"type": "json_schema", "json_schema": {"name": "Plan", "schema": SCHEMA, "strict": True}}


def form(schema):
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}


@pytest.mark.parametrize(
    ("asked", "schema"),
    [(PLAN, SCHEMA), ({"type": "json_object"}, {"type": "object"}), ({"type": "text"}, None), (None, None)],
)
async def test_the_schema_reaches_the_engine(api, asked, schema):
    """Any object has a schema too."""
    assert (await chat(api, response_format=asked)).status_code == 200
    (request,) = api.rig.generator.requests
    sent = request.sampling.json_schema
    assert (sent and json.loads(sent)) == schema


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^(.{0,50}){50}$"},
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "#"},
        {"type": "string", "maxLength": 10_001},
        json.loads('{"items":' * (MAX_DEPTH + 1) + "{}" + "}" * (MAX_DEPTH + 1)),
    ],
)
async def test_a_schema_that_is_too_much_is_refused_by_name(api, schema):
    """Before anything is searched for."""
    error = error_of(await chat(api, response_format=form(schema)))
    assert error["param"] == "response_format"
    assert api.rig.generator.requests == []


@pytest.mark.parametrize("depth", [500, 900, 980, 990, 1000, 5000])
async def test_a_schema_nested_without_end_is_refused(api, depth):
    """At any depth, it is an error of the request."""
    schema = '{"items":' * depth + "{}" + "}" * depth
    body = json.dumps({"model": "support", "messages": [QUESTION], "response_format": form("S")})
    body = body.replace('"S"', schema)
    response = await api.http.post(CHAT, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400


@pytest.mark.parametrize("stream", [False, True])
async def test_without_documents_json_is_refused_as_openai_does(stream):
    """A text would be no JSON; clients know `refusal`."""
    response = await chat(Api(Rig()), stream=stream, response_format=PLAN)
    if stream:
        *chunks, _ = data_of(response)
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
        assert "".join(delta.get("refusal", "") for delta in deltas) == "I don't know."
        assert not any("content" in delta for delta in deltas)
    else:
        message = response.json()["choices"][0]["message"]
        assert message == {"role": "assistant", "content": None, "refusal": "I don't know."}


async def test_json_from_documents_is_no_refusal(api):
    """OpenAI's clients look for the field."""
    message = (await chat(api, response_format=PLAN)).json()["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "Press Reset.", "refusal": None}


async def test_an_unknown_field_next_to_a_schema_is_named(api):
    """However many fields there are."""
    named = {"name": "x", "description": "y", "schema": SCHEMA, "strict": True, "more": 1}
    error = error_of(await chat(api, response_format={"type": "json_schema", "json_schema": named}))
    assert error["param"] == "response_format.json_schema.more"


async def test_several_answers_are_several_generations(api):
    """Each with its own id, seed, index and ledger; the prompt counts once."""
    one = (await chat(api)).json()
    api.rig.generator.requests.clear()
    body = (await chat(api, n=3, seed=4, temperature=1)).json()
    requests = api.rig.generator.requests
    assert len({request.request_id for request in requests}) == 3
    assert sorted(request.sampling.seed for request in requests) == [2, 3, 4]
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    assert [set(choice["warmline"]) for choice in body["choices"]] == [LEDGER] * 3
    assert body["choices"][0]["warmline"] == body["warmline"]
    assert body["usage"]["prompt_tokens"] == one["usage"]["prompt_tokens"]
    assert body["usage"]["completion_tokens"] == 3 * one["usage"]["completion_tokens"]


@pytest.mark.parametrize("seed", [MAX_SEED, -MAX_SEED, 0, 1, None])
async def test_seeds_of_several_answers_stay_within_the_bounds(api, seed):
    """They differ, if there is one."""
    assert (await chat(api, n=4, seed=seed)).status_code == 200
    seeds = {request.sampling.seed for request in api.rig.generator.requests}
    assert len(seeds) == (1 if seed is None else 4)


async def test_a_stream_of_several_answers_has_their_indices(api):
    """Each has its own role, text, end and ledger; the last chunk has the usage of all."""
    options = {"include_usage": True}
    *chunks, last, done = data_of(await chat(api, n=2, stream=True, stream_options=options))
    assert done == "[DONE]"
    for number in range(2):
        choices = [chunk["choices"][0] for chunk in chunks if chunk["choices"][0]["index"] == number]
        assert "".join(choice["delta"].get("content", "") for choice in choices) == "Press Reset."
        assert [choice["delta"].get("role") for choice in choices] == ["assistant", None, None, None]
        assert choices[-1]["finish_reason"] == "stop"
    assert [set(chunk["warmline"]) for chunk in chunks if "warmline" in chunk] == [LEDGER] * 2
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 24


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_of_one_answer_is_the_requests(api, stream):
    """No client gets fewer answers than it asked for."""
    api.rig.generator.fault = EngineUnavailable("the replica died")
    response = await chat(api, n=2, stream=stream)
    error = data_of(response)[-2]["error"] if stream else error_of(response)
    assert error["code"] == "engine_unavailable"


async def test_an_assistants_last_message_is_continued(api):
    """The question is the user's last message; the prompt ends in the beginning of the answer."""
    beginning = {"role": "assistant", "content": "First, "}
    assert (await chat(api, [QUESTION, beginning])).status_code == 200
    assert api.rig.retriever.queries[-1].text == QUESTION["content"]
    assert api.rig.prompt_sent().endswith("How do I reset it?<|im_end|>\n<|im_start|>assistant\nFirst,")


async def test_json_does_not_continue_a_text(api):
    """The engine constrains the answer from its first token."""
    messages = [QUESTION, {"role": "assistant", "content": '{"plan'}]
    error = error_of(await chat(api, messages, response_format=PLAN))
    assert error["param"] == "response_format"
