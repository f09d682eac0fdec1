"""Requests of the OpenAI-compatible API, with vLLM's field names where OpenAI has none."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from deployments.core.errors import InvalidRequest
from deployments.core.limits import (
    MAX_ANSWER_TOKENS,
    MAX_HISTORY_TURNS,
    MAX_PENALTY,
    MAX_SAMPLED_FROM,
    MAX_SEED,
    MAX_STOP_CHARS,
    MAX_STOPS,
    MAX_TEMPERATURE,
)
from deployments.core.sampling import Shaping
from serve_app.http.body import Body
from serve_app.http.fields import AgentName, UserId
from serve_app.http.filters import Filtered
from serve_app.http.openai_fields import asked_for
from serve_app.http.openai_messages import ChatMessage

_OF_STORED = ("user", "safety_identifier")
"""Fields that mean something only if the chat is stored; otherwise they are ignored with any value."""
MAX_CHOICES = 4
"""Of a request's `n`: each choice is a generation."""
_MAX_MESSAGES = 2 * (MAX_HISTORY_TURNS + 1)
"""Every turn is two messages. The last two are the question and one of instructions."""
_MAX_CALLS_IN_ALL = 1000
"""Of a request's messages together. Each call becomes an object, though only its name is used."""
ANY_OBJECT = '{"type": "object"}'

_STOP = {"type": "string", "maxLength": MAX_STOP_CHARS}
Stops = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=MAX_STOP_CHARS)]],
    Field(max_length=MAX_STOPS, fail_fast=True),
    BeforeValidator(lambda stop: [stop] if isinstance(stop, str) else stop),
    WithJsonSchema({"anyOf": [_STOP, {"type": "array", "items": _STOP, "maxItems": MAX_STOPS}]}),
]


def _as_json(schema: Any) -> Any:
    if not isinstance(schema, dict):
        raise PydanticCustomError("no_schema", "must be a JSON Schema, which is an object")
    try:
        return json.dumps(schema)
    except RecursionError:
        raise PydanticCustomError("too_deep", "is nested too deeply") from None


def _check_calls(messages: Any) -> None:
    listed = messages if isinstance(messages, list) else []
    calls = (message.get("tool_calls") for message in listed if isinstance(message, dict))
    if sum(len(made) for made in calls if isinstance(made, list)) > _MAX_CALLS_IN_ALL:
        limit = f"at most {_MAX_CALLS_IN_ALL} tool calls together"
        raise InvalidRequest(f"messages must have {limit}: leave out the oldest messages", "messages")


SchemaText = Annotated[
    str, BeforeValidator(_as_json), WithJsonSchema({"type": "object", "additionalProperties": True})
]
"""A JSON Schema, as JSON."""


class NamedSchema(Body):
    """A JSON Schema that answers must fit. Answers always fit it, whatever `strict` says."""

    name: str = Field(max_length=64)
    description: str | None = Field(None, max_length=1000, description="not shown to the model")
    answer_schema: SchemaText = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(Body):
    """The form of the answer: free text, any JSON object, or JSON that fits a schema."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | None = None

    @model_validator(mode="after")
    def _has_its_schema(self) -> ResponseFormat:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise PydanticCustomError(
                "no_schema", "must have json_schema if its type is json_schema, and else not"
            )
        return self

    def schema_text(self) -> str | None:
        """The schema as JSON; None for free text."""
        if self.type == "json_object":
            return ANY_OBJECT
        return None if self.json_schema is None else self.json_schema.answer_schema


class StreamOptions(Body):
    """What a stream has besides the answer: the usage at its end, or the usage so far in every chunk."""

    include_usage: bool = False
    continuous_usage_stats: bool = False
    include_obfuscation: Literal[False] = False


class ChatRequest(Filtered):
    """A chat with an agent, whose name is the model's.

    The user's last message is the question that is searched for, with the user's earlier ones if it does not
    stand alone. Messages may have any order: consecutive ones of a role are one turn, system messages are
    instructions wherever they stand, results of tools are text of the user, and the answer continues
    assistant's messages after the question. `filter` and `doc_ids` limit the search to some documents.
    `null` means that a field is not there. Fields that ask for nothing (`tool_choice: auto`, `metadata`,
    ...) are ignored; those that can't be honoured (`tools`, `logprobs`, ...) are refused by name.

    `store: true` keeps question and answer as a turn of a conversation. A later chat with `store: true` that
    tells all of it word for word continues its prompt: the engine computes none of it again.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "support",
                    "messages": [{"role": "user", "content": "How do I reset my password?"}],
                    "max_completion_tokens": 64,
                }
            ]
        }
    )

    model: AgentName
    messages: list[ChatMessage] = Field(min_length=1, max_length=_MAX_MESSAGES, fail_fast=True)
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_completion_tokens: int | None = Field(None, ge=1, le=MAX_ANSWER_TOKENS, description="of the answer")
    max_tokens: int | None = Field(None, ge=1, le=MAX_ANSWER_TOKENS, description="its older name")
    temperature: float | None = Field(None, ge=0, le=MAX_TEMPERATURE, description="0 is greedy")
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=-1, le=MAX_SAMPLED_FROM, description="most probable tokens; 0 and -1: all")
    min_p: float = Field(0.0, ge=0, le=1)
    repetition_penalty: float = Field(1.0, gt=0, le=MAX_PENALTY)
    presence_penalty: float = Field(0.0, ge=-MAX_PENALTY, le=MAX_PENALTY)
    frequency_penalty: float = Field(0.0, ge=-MAX_PENALTY, le=MAX_PENALTY)
    n: int = Field(1, ge=1, le=MAX_CHOICES, description="number of answers")
    response_format: ResponseFormat | None = None
    seed: int | None = Field(None, ge=-MAX_SEED, le=MAX_SEED)
    stop: Stops = Field([], description="a text or up to 4; the answer ends before it")
    ignore_eos: bool = Field(False, description="true: always writes max_tokens tokens, for measurements")
    share_answer: bool | None = Field(
        None,
        description="true: the answer to an equal greedy request may be given again; null: as configured",
    )
    return_token_ids: bool = Field(False, description="true: the response has the ids of prompt and answer")
    store: bool = Field(False, description="true: the chat is kept, so that a later one can continue it")
    user: UserId | None = Field(None, description="whose chat it is, if it is stored")
    safety_identifier: UserId | None = Field(None, description="the newer name of `user`")

    @model_validator(mode="before")
    @classmethod
    def _without_neutral(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        _check_calls(body.get("messages"))
        whose = {name: body[name] for name in _OF_STORED if body.get("store") and body.get(name) is not None}
        return asked_for(body) | whose

    def schema_text(self) -> str | None:
        """The JSON Schema of the answer; None for free text."""
        return None if self.response_format is None else self.response_format.schema_text()

    def shaping(self) -> Shaping:
        """How the tokens' probabilities are changed."""
        return Shaping(
            top_k=max(self.top_k, 0),
            min_p=self.min_p,
            repetition_penalty=self.repetition_penalty,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
        )
