"""Requests of OpenAI's Responses API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from deployments.core.limits import (
    MAX_ANSWER_TOKENS,
    MAX_HISTORY_CHARS,
    MAX_HISTORY_TURNS,
    MAX_TEMPERATURE,
)
from serve_app.http.body import Body
from serve_app.http.fields import AgentName, ConversationId, UserId, at_most
from serve_app.http.filters import Filtered
from serve_app.http.openai_bodies import ANY_OBJECT, SchemaText
from serve_app.http.openai_fields import asked_for
from serve_app.http.openai_messages import ChatMessage

_MAX_ITEMS = 2 * (MAX_HISTORY_TURNS + 1)
_MAX_LABELS = 16
_NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "background": (False,),
    "include": ([], ["reasoning.encrypted_content"]),
    "reasoning": ({}, {"effort": "none"}, {"effort": "minimal"}, {"effort": "low"}, {"effort": "medium"}),
    "stream_options": ({}, {"include_obfuscation": False}),
    "truncation": ("auto", "disabled"),
}
"""Values that change nothing here, in addition to those of a chat. A conversation that becomes too long is
always shortened."""
_LABELS = frozenset({"max_tool_calls", "prompt_cache_options"})
"""Fields that are ignored with any value, in addition to those of a chat."""
_OWN = frozenset({"metadata", "safety_identifier", "store", "user"})
"""Fields that mean something here and nothing in a chat."""

_Label = Annotated[str, Field(max_length=512)]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], _Label], at_most(_MAX_LABELS), Field(max_length=_MAX_LABELS)
]
"""A caller's own labels, as many and as long as OpenAI allows."""


def _messages(given: Any) -> Any:
    """The items of an input as messages of a chat. pydantic refuses any other type."""
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or len(given) > _MAX_ITEMS:
        return given
    return [_message(item) for item in given if not _is_thought(item)]


def _is_thought(item: Any) -> bool:
    """Whether an item is what a model thought before; templates leave that out of later turns."""
    return isinstance(item, dict) and item.get("type") == "reasoning"


def _message(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    kind = item.get("type", "message")
    if kind == "message":
        return {name: value for name, value in item.items() if name not in {"type", "status", "phase"}}
    if kind == "function_call":
        call = {"id": item.get("call_id"), "function": {"name": item.get("name")}}
        return {"role": "assistant", "tool_calls": [call]}
    if kind == "function_call_output":
        return {"role": "tool", "tool_call_id": item.get("call_id"), "content": item.get("output")}
    raise PydanticCustomError(
        "no_text",
        "items of type {kind} can't be read: send messages, or previous_response_id for earlier items",
        {"kind": ascii(kind)[:80]},
    )


_ITEM = {
    "type": "object",
    "properties": {
        "role": {"enum": ["user", "assistant", "system", "developer"]},
        "content": {"type": "string", "maxLength": MAX_HISTORY_CHARS},
    },
    "required": ["role", "content"],
}
Input = Annotated[
    list[ChatMessage],
    Field(min_length=1, max_length=_MAX_ITEMS, fail_fast=True),
    BeforeValidator(_messages),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1, "maxLength": MAX_HISTORY_CHARS},
                {"type": "array", "items": _ITEM, "minItems": 1, "maxItems": _MAX_ITEMS},
            ]
        }
    ),
]


class TextFormat(Body):
    """The form of the answer: free text, any JSON object, or JSON that fits a schema."""

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = Field(None, max_length=64)
    description: str | None = Field(None, max_length=1000, description="not shown to the model")
    answer_schema: SchemaText | None = Field(None, alias="schema")
    strict: bool | None = None

    @model_validator(mode="after")
    def _has_its_schema(self) -> TextFormat:
        if (self.type == "json_schema") != (self.answer_schema is not None):
            raise PydanticCustomError(
                "no_schema", "must have a schema if its type is json_schema, and else not"
            )
        return self


class TextConfig(Body):
    """How the answer is written."""

    format: TextFormat | None = None
    verbosity: Literal["medium"] | None = None

    def schema_text(self) -> str | None:
        """The schema as JSON; None for free text."""
        if self.format is None:
            return None
        return ANY_OBJECT if self.format.type == "json_object" else self.format.answer_schema


class ConversationParam(Body):
    """A conversation by its id."""

    id: ConversationId


class ResponsesRequest(Filtered):
    """A question to an agent, whose name is the model's, in a conversation that the server keeps.

    `input` is the question, or messages of which the user's last one is. `previous_response_id` continues
    after an earlier response, `conversation` after the last response of a conversation; without either, a
    conversation begins. `store: false` keeps nothing. `filter` and `doc_ids` limit the search to some
    documents. Fields that ask for nothing are ignored; those that can't be honoured (`tools`, ...) are
    refused by name.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"model": "support", "input": "How do I reset my password?", "max_output_tokens": 64}
            ]
        }
    )

    model: AgentName
    input: Input
    instructions: str = Field("", max_length=MAX_HISTORY_CHARS, description="for this response only")
    previous_response_id: ConversationId | None = None
    conversation: ConversationId | ConversationParam | None = None
    store: bool = Field(True, description="false: the response can't be read or continued later")
    stream: bool = False
    max_output_tokens: int | None = Field(None, ge=1, le=MAX_ANSWER_TOKENS, description="of the answer")
    temperature: float | None = Field(None, ge=0, le=MAX_TEMPERATURE, description="0 is greedy")
    top_p: float = Field(1.0, gt=0, le=1)
    text: TextConfig = TextConfig()
    metadata: Metadata = Field({}, description="labels of your own")
    user: UserId | None = Field(None, description="whose conversation it is, if one begins")
    safety_identifier: UserId | None = Field(None, description="the newer name of `user`")

    @model_validator(mode="before")
    @classmethod
    def _without_neutral(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        own = {name: body[name] for name in _OWN if body.get(name) is not None}
        return asked_for({name: body[name] for name in body if not _is_neutral(name, body[name])}) | own

    @model_validator(mode="after")
    def _continues_one(self) -> ResponsesRequest:
        if self.conversation is not None and self.previous_response_id is not None:
            raise PydanticCustomError(
                "two_conversations", "send previous_response_id or conversation, not both"
            )
        return self

    def conversation_id(self) -> str | None:
        """The conversation to continue."""
        if isinstance(self.conversation, ConversationParam):
            return self.conversation.id
        return self.conversation


def _is_neutral(name: str, value: object) -> bool:
    return name in _OWN or name in _LABELS or value in _NEUTRAL.get(name, ())
