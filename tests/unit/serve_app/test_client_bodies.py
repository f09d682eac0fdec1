"""Requests as well-known clients send them, recorded from the clients themselves or their source code."""

import pytest

from tests.unit.serve_app.fake_services import error_of
from tests.unit.serve_app.test_openai_api import CHAT

ASKED = [{"role": "user", "content": "How?"}]
PLAN = {
    "properties": {
        "plan": {"description": "name", "title": "Plan", "type": "string"},
        "seats": {"title": "Seats", "type": "integer"},
    },
    "required": ["plan", "seats"],
    "title": "Plan",
    "type": "object",
    "additionalProperties": False,
}
ZOD_PLAN = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "plan": {"type": "string", "description": "name"},
        "seats": {"type": "integer", "minimum": -9007199254740991, "maximum": 9007199254740991},
    },
    "required": ["plan", "seats"],
    "additionalProperties": False,
}
CALL = {"type": "function", "id": "c1", "function": {"name": "f", "arguments": '{"a": 1}'}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def form(schema, **more):
    return {"type": "json_schema", "json_schema": {"schema": schema, "name": "Plan", "strict": True, **more}}


ACCEPTED = {
    "LangChain, history with a tool": {
        "messages": [
            *ASKED,
            {"content": None, "role": "assistant", "tool_calls": [CALL]},
            {"content": "42", "role": "tool", "tool_call_id": "c1"},
            {"content": "42.", "role": "assistant"},
            *ASKED,
        ],
        "stream": False,
    },
    "LangChain, structured output": {"response_format": form(PLAN), "stream": False},
    "LangChain, JSON mode": {"response_format": {"type": "json_object"}, "stream": False},
    "LangChain, several generations": {"n": 2, "stream": False},
    "LlamaIndex": {"stream": True, "temperature": 0.1},
    "LiteLLM, as for vLLM": {"top_k": 40, "repetition_penalty": 1.1},
    "LiteLLM, with Anthropic's cache": {
        "messages": [
            {
                "role": "system",
                "content": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            },
            *ASKED,
        ]
    },
    "OpenAI Agents SDK": {
        "messages": [{"content": "Brief.", "role": "system"}, *ASKED],
        "response_format": form(PLAN, name="final_output"),
    },
    "Vercel AI SDK, generateObject": {"response_format": form(ZOD_PLAN, name="response")},
    "Open WebUI, chat": {
        "stream": True,
        "stream_options": {"include_usage": True},
        "features": {"web_search": False, "code_interpreter": False},
        "chat_id": "b8f2",
        "session_id": "s1",
        "id": "m1",
        "background_tasks": {"title_generation": True, "tags_generation": True},
        "variables": {"{{USER_NAME}}": "Ann"},
    },
    "Open WebUI, title of a chat": {
        "stream": False,
        "max_completion_tokens": 1000,
        "metadata": {"task": "title_generation", "chat_id": None},
    },
    "Open WebUI, continued answer": {
        "messages": [*ASKED, {"role": "assistant", "content": "First,"}],
        "stream": True,
    },
    "LibreChat": {
        "user": "66b2",
        "stream": True,
        "temperature": 1,
        "top_p": 1,
        "presence_penalty": 0,
        "frequency_penalty": 0,
    },
    "SillyTavern, group chat": {
        "messages": [
            {"role": "system", "content": "Write the next reply."},
            {"role": "assistant", "content": "Welcome!"},
            {"role": "user", "content": "How?"},
            {"role": "system", "content": "[Now answer as the expert.]"},
        ],
        "max_tokens": 300,
        "temperature": 1,
        "frequency_penalty": 0,
        "presence_penalty": 0,
        "top_p": 1,
        "top_k": 0,
        "min_p": 0,
        "repetition_penalty": 1,
        "stop": [],
        "stream": True,
        "logit_bias": {},
    },
    "AutoGen, messages with names": {
        "messages": [
            {"role": "user", "name": "planner", "content": "Find it."},
            {"role": "user", "name": "critic", "content": "How?"},
        ]
    },
}
RESPONSES = {
    "OpenAI Agents SDK": {"include": [], "input": ASKED, "instructions": "Brief.", "tools": []},
    "OpenAI Agents SDK, second turn of a session": {
        "include": [],
        "input": [
            *ASKED,
            {
                "id": "msg_1",
                "content": [{"annotations": [], "text": "So.", "type": "output_text", "logprobs": []}],
                "role": "assistant",
                "status": "completed",
                "type": "message",
            },
            *ASKED,
        ],
        "instructions": "Brief.",
        "tools": [],
    },
}
REFUSED = {
    "tools": {"tools": [TOOL], "tool_choice": "auto", "parallel_tool_calls": False},
    "tool_choice": {"tool_choice": {"type": "function", "function": {"name": "f"}}},
    "logprobs": {"logprobs": True, "top_logprobs": 2},
}


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED)
async def test_it_is_answered(api, body):
    """With an answer from the documents."""
    response = await api.http.post(CHAT, json={"model": "support", "messages": ASKED, **body})
    assert response.status_code == 200, response.text
    assert "Reset." in response.text


@pytest.mark.parametrize("body", RESPONSES.values(), ids=RESPONSES)
async def test_a_response_is_made(api, body):
    """With an answer from the documents."""
    response = await api.http.post("/v1/responses", json={"model": "support", **body})
    assert response.status_code == 200, response.text
    assert response.json()["output"][0]["content"][0]["text"] == "Press Reset."


@pytest.mark.parametrize(("param", "body"), REFUSED.items(), ids=REFUSED)
async def test_it_is_refused_with_what_to_do(api, param, body):
    """The message says how to go on without the field."""
    error = error_of(await api.http.post(CHAT, json={"model": "support", "messages": ASKED, **body}))
    assert error["param"] == param
    assert "leave it out" in error["message"]
