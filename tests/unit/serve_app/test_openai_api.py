"""The OpenAI-compatible API: bodies, refusals, and what reaches the agent."""

import json

import pytest

from deployments.core.errors import EngineUnavailable, KnowledgeUnavailable
from deployments.core.sampling import Shaping
from deployments.core.token_ids import to_bytes, token_ids
from serve_app.http.answers import AnswerBody
from tests.fakes import a_passage
from tests.unit.rag.rig import ANSWER, Rig, delta
from tests.unit.serve_app.fake_services import Api, error_of

CHAT = "/v1/chat/completions"
QUESTION = {"role": "user", "content": "How do I reset it?"}
LEDGER = set(AnswerBody.model_fields) - {"prompt_token_ids", "token_ids"}


async def chat(api, messages=(QUESTION,), **fields):
    return await api.http.post(CHAT, json={"model": "support", "messages": list(messages), **fields})


def data_of(response):
    """The data of plain `data:` lines, `[DONE]` as it is."""
    blocks = response.text.removesuffix("\n\n").split("\n\n")
    assert all(block.startswith("data: ") and "\n" not in block for block in blocks)
    found = [block.removeprefix("data: ") for block in blocks]
    return [data if data == "[DONE]" else json.loads(data) for data in found]


async def test_an_answer_has_openais_shape_and_the_ledger(api):
    """Usage counts what the engine saw; ids come only when they are asked for."""
    response = await chat(api)
    assert response.status_code == 200
    body = response.json()
    assert set(body) == {"id", "object", "created", "model", "choices", "usage", "warmline"}
    assert (body["object"], body["model"]) == ("chat.completion", "support")
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Press Reset."},
            "finish_reason": "stop",
            "logprobs": None,
        }
    ]
    prompt_tokens = body["warmline"]["reuse"]["prompt_tokens"]
    assert body["usage"] == {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": 12,
        "total_tokens": prompt_tokens + 12,
        "prompt_tokens_details": {"cached_tokens": 32},
    }
    assert set(body["warmline"]) == LEDGER
    assert body["warmline"]["request_id"] == body["id"]
    assert [cited["doc_id"] for cited in body["warmline"]["citations"]] == ["doc-0", "doc-1", "doc-2"]


async def test_a_stream_is_chunks_and_the_ledger_in_the_last(api):
    """The role first, then text, the finish reason with `warmline`, and [DONE]."""
    response = await chat(api, stream=True)
    assert response.headers["content-type"].startswith("text/event-stream")
    *chunks, done = data_of(response)
    assert done == "[DONE]"
    assert {(chunk["object"], chunk["id"]) for chunk in chunks} == {
        ("chat.completion.chunk", chunks[0]["id"])
    }
    choices = [chunk["choices"][0] for chunk in chunks]
    assert [choice["delta"] for choice in choices] == [
        {"role": "assistant", "content": ""},
        {"content": "Press "},
        {"content": "Reset."},
        {},
    ]
    assert [choice["finish_reason"] for choice in choices] == [None, None, None, "stop"]
    assert ["warmline" in chunk for chunk in chunks] == [False, False, False, True]
    assert set(chunks[-1]["warmline"]) == LEDGER
    assert not any("usage" in chunk or "prompt_token_ids" in chunk for chunk in chunks)


async def test_a_stream_with_usage_ends_in_a_chunk_of_it(api):
    """That chunk has no choices; in the others, usage is null. The last chunk has the ledger."""
    whole = (await chat(api)).json()
    *chunks, last, _ = data_of(await chat(api, stream=True, stream_options={"include_usage": True}))
    assert [chunk["usage"] for chunk in chunks] == [None] * 4
    assert last["choices"] == []
    assert last["usage"] == whole["usage"]
    assert set(last["warmline"]) == LEDGER


async def test_a_stream_can_have_the_usage_in_every_chunk(api):
    """As in vLLM: each chunk has the usage up to it, for load generators."""
    options = {"include_usage": True, "continuous_usage_stats": True}
    *chunks, last, _ = data_of(await chat(api, stream=True, stream_options=options))
    (request,) = api.rig.generator.requests
    assert {chunk["usage"]["prompt_tokens"] for chunk in chunks} == {len(request.prompt) // 4}
    assert [chunk["usage"]["completion_tokens"] for chunk in chunks] == [6, 6, 12, 12]
    assert last["usage"] == chunks[-1]["usage"]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_without_context_has_the_same_shape(stream):
    """It has a text and no prompt, which the ledger shows."""
    response = await chat(Api(Rig()), stream=stream)
    body = data_of(response)[-2] if stream else response.json()
    assert set(body["warmline"]) == LEDGER
    assert body["warmline"]["reuse"]["answer"] == "no_context"
    assert body["choices"][0]["finish_reason"] == "stop"
    assert "I don't know" in response.text


async def test_ids_are_vllms_fields_and_the_ones_that_were_served(api):
    """`prompt_token_ids` next to the choices, `token_ids` in them: exactly the engine's ids."""
    body = (await chat(api, return_token_ids=True)).json()
    (request,) = api.rig.generator.requests
    assert to_bytes(token_ids(body["prompt_token_ids"])) == request.prompt
    assert body["choices"][0]["token_ids"] == [ord(c) for c in "Press Reset."]
    assert set(body["warmline"]) == LEDGER


async def test_a_stream_of_ids_loses_none():
    """The prompt's ids are in the first chunk only, the answer's in each, with or without text."""
    half = delta("x")
    deltas = [ANSWER[0], type(half)("", half.ids), *ANSWER[1:]]
    api = Api(Rig([a_passage()], deltas=deltas))
    *chunks, _ = data_of(await chat(api, stream=True, return_token_ids=True))
    (request,) = api.rig.generator.requests
    assert to_bytes(token_ids(chunks[0]["prompt_token_ids"])) == request.prompt
    assert not any("prompt_token_ids" in chunk for chunk in chunks[1:])
    served = [i for chunk in chunks for i in chunk["choices"][0].get("token_ids", [])]
    assert served == [ord(c) for c in "Press xReset."]


async def test_every_parameter_reaches_the_engine(api):
    """And the tenant of the header."""
    body = {
        "model": "support",
        "messages": [QUESTION],
        "max_completion_tokens": 7,
        "temperature": 0,
        "top_p": 0.5,
        "top_k": 40,
        "min_p": 0.1,
        "repetition_penalty": 1.1,
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
        "seed": 4,
        "stop": "END",
        "ignore_eos": True,
    }
    await api.http.post(CHAT, json=body, headers={"X-Business-Id": "acme"})
    (request,) = api.rig.generator.requests
    sampling = request.sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.top_p) == (7, 0.0, 0.5)
    assert sampling.shaping == Shaping(40, 0.1, 1.1, 0.5, -0.5)
    assert (sampling.seed, sampling.stop, sampling.ignore_eos) == (4, ("END",), True)
    assert api.rig.retriever.queries[0].scope.tenant == "acme"


async def test_a_conversation_follows_the_documents(api):
    """Only the last message is searched for; instructions and earlier turns move no document."""
    await chat(api)
    before, _, _ = api.rig.prompt_sent().partition("<|im_end|>")
    api.rig.generator.requests.clear()
    await chat(
        api,
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "there"}]},
            {"role": "assistant", "content": "Hello!", "tool_calls": None, "refusal": None},
            QUESTION,
        ],
    )
    assert api.rig.retriever.queries[-1].text == QUESTION["content"]
    assert api.rig.prompt_sent() == (
        f"{before}\n\nBe brief.<|im_end|>\n<|im_start|>user\nHi\nthere"
        "<|im_end|>\n<|im_start|>assistant\nHello!"
        "<|im_end|>\n<|im_start|>user\nHow do I reset it?<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 1, "presence_penalty": 0, "frequency_penalty": 0.0, "logprobs": False, "top_logprobs": 0},
        {"tools": [], "tool_choice": "none", "parallel_tool_calls": True, "logit_bias": {}},
        {"response_format": {"type": "text"}, "service_tier": "auto", "store": False, "modalities": ["text"]},
        {"user": "u-1", "metadata": {"a": "b"}, "safety_identifier": "x", "prompt_cache_key": "y"},
        {"tools": None, "stop": None, "seed": None, "temperature": None, "max_tokens": None, "stream": None},
        {"stream": True, "stream_options": {"include_usage": False, "include_obfuscation": False}},
        {"max_tokens": 5, "max_completion_tokens": 5},
        {"stop": ["a", "b", "c", "d"]},
        {"stop": []},
        {"messages": [{**QUESTION, "name": "Ann"}]},
        {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "none"},
        {"tool_choice": "auto", "repetition_penalty": 1.0, "min_p": 0, "top_k": -1, "best_of": 1},
        {"top_k": 0, "verbosity": "medium", "reasoning_effort": "medium", "min_tokens": 0},
        {"messages": [{**QUESTION, "cache_control": {"type": "ephemeral"}}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {}}]}]},
        {"messages": [QUESTION, {"role": "assistant", "content": None}, QUESTION]},
        {"messages": [QUESTION, {"role": "assistant"}, QUESTION]},
        {"messages": [QUESTION, {"role": "assistant", "refusal": "No.", "audio": None}, QUESTION]},
        {"messages": [{"role": "assistant", "content": "Hello!"}, QUESTION]},
        {"ignore_eos": False, "stream": True, "stream_options": {"continuous_usage_stats": True}},
    ],
)
async def test_what_asks_for_nothing_unusual_is_accepted(api, fields):
    """Clients send defaults, nulls and their own labels."""
    assert (await chat(api, **fields)).status_code == 200


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 5}, "n"),
        ({"n": 0}, "n"),
        ({"presence_penalty": 2.1}, "presence_penalty"),
        ({"frequency_penalty": -2.1}, "frequency_penalty"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"min_p": 1.1}, "min_p"),
        ({"top_k": -2}, "top_k"),
        ({"top_k": 2**31}, "top_k"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"tools": [{"type": "function"}], "tool_choice": "auto"}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        (
            {"response_format": {"type": "json_object", "json_schema": {"name": "x", "schema": {}}}},
            "response_format",
        ),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"store": True, "n": 2}, "store"),
        ({"store": True, "user": 7}, "user"),
        ({"service_tier": "priority"}, "service_tier"),
        ({"cache_salt": "mine"}, "cache_salt"),
        ({"prompt_token_ids": [1]}, "prompt_token_ids"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": ""}, "stop[0]"),
        ({"stop": 5}, "stop"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"seed": 2**63}, "seed"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"more": True}}, "stream_options.more"),
        ({"model": None}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": [QUESTION, {"role": "robot", "content": "x"}]}, "messages[1].role"),
        ({"messages": [QUESTION, {"role": "user", "content": 5}]}, "messages[1].content"),
        ({"messages": [{**QUESTION, "images": ["x"]}]}, "messages[0].images"),
        ({"messages": [{"role": "user"}]}, "messages"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages"),
    ],
)
async def test_what_cannot_be_honoured_is_refused_by_name(api, fields, param):
    """400 with the field's name, not an answer that ignores it; nothing is searched or generated."""
    response = await api.http.post(CHAT, json={"model": "support", "messages": [QUESTION], **fields})
    assert response.status_code == 400
    error = error_of(response)
    assert (error["param"], error["code"]) == (param, "invalid_request")
    assert param in error["message"]
    assert api.rig.retriever.queries == []


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "input_audio", "input_audio": {}},
        {"type": "file", "file": {"file_data": "AA=="}},
        {"type": "text"},
        {"type": "text", "text": 5},
        {},
        "text",
    ],
)
async def test_parts_that_are_no_text_are_refused(api, part):
    """The message names their type."""
    response = await chat(api, [{"role": "user", "content": [{"type": "text", "text": "Hi"}, part]}])
    assert response.status_code == 400
    error = error_of(response)
    assert error["param"] == "messages[0].content"
    if isinstance(part, dict) and part.get("type", "text") != "text":
        assert part["type"] in error["message"]


@pytest.mark.parametrize("kind", ["\ud800", "x" * 5000, ["x" * 5000], {"type": "text"}, None, 5])
async def test_a_part_of_any_type_is_refused_in_a_short_message(api, kind):
    """Also a lone surrogate; a long value is not repeated."""
    body = {"model": "support", "messages": [{"role": "user", "content": [{"type": kind}]}]}
    headers = {"Content-Type": "application/json"}
    response = await api.http.post(CHAT, content=json.dumps(body), headers=headers)
    assert response.status_code == 400
    error = error_of(response)
    assert (error["param"], error["code"]) == ("messages[0].content", "invalid_request")
    assert len(error["message"]) < 250


async def test_an_unknown_model_is_404_and_says_which_there_are(api):
    """With the error code that OpenAI's clients know."""
    response = await api.http.post(CHAT, json={"model": "gpt-9", "messages": [QUESTION]})
    assert response.status_code == 404
    error = error_of(response)
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    assert "support" in error["message"]
    assert error_of(await api.http.get("/v1/models/gpt-9"))["code"] == "model_not_found"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_before_the_answer_has_its_status(api, stream):
    """No header was sent yet."""
    api.rig.retriever.fault = KnowledgeUnavailable("gone")
    response = await chat(api, stream=stream)
    assert response.status_code == 503
    assert error_of(response)["code"] == "knowledge_unavailable"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_conversation_that_leaves_no_room_is_told_so(stream):
    """The error names the request's field `messages`."""
    api = Api(Rig([a_passage()], max_model_len=510))
    error = error_of(await chat(api, stream=stream))
    assert (error["code"], error["param"]) == ("prompt_too_long", "messages")


async def test_an_error_in_a_stream_is_its_body_and_the_end(api):
    """Headers are sent; no chunk looks like the end of an answer."""
    api.rig.generator.fault = EngineUnavailable("the replica died")
    *chunks, error, done = data_of(await chat(api, stream=True))
    assert done == "[DONE]"
    assert error["error"]["code"] == "engine_unavailable"
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in chunks)


async def test_models_need_the_key_that_answers_need():
    """Only clients with a key see which agents exist."""
    api = Api(api_keys="0123456789abcdef=acme")
    assert (await api.http.get("/v1/models")).status_code == 401
    assert (await chat(api)).status_code == 401
    key = {"Authorization": "Bearer 0123456789abcdef"}
    assert (await api.http.get("/v1/models", headers=key)).status_code == 200
