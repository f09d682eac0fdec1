"""Bodies of the OpenAI-compatible API, with vLLM's field names where OpenAI has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from deployments.core.limits import (
    MAX_ANSWER_TOKENS,
    MAX_HISTORY_CHARS,
    MAX_HISTORY_TURNS,
    MAX_SEED,
    MAX_STOP_CHARS,
    MAX_STOPS,
    MAX_TEMPERATURE,
)
from serve_app.http.answers import AnswerBody
from serve_app.http.body import Body
from serve_app.http.fields import AgentName
from serve_app.http.filters import Filtered

_NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "frequency_penalty": (0,),
    "functions": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "n": (1,),
    "parallel_tool_calls": (True, False),
    "presence_penalty": (0,),
    "reasoning_effort": ("none",),
    "response_format": ({"type": "text"},),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "tool_choice": ("none",),
    "tools": ([],),
    "top_logprobs": (0,),
}
"""Values that change nothing. A field with any other value is refused like an unknown field."""
_LABELS = frozenset({"metadata", "prompt_cache_key", "safety_identifier", "user"})
"""Fields for a client's own notes. They are accepted with any value, and ignored."""
_MESSAGE_LABELS = frozenset({"name"})
"""The same in a message: `name` says which of several users or agents wrote it."""
_MAX_MESSAGES = 2 * (MAX_HISTORY_TURNS + 1)
"""Every turn is two messages. The last two are the question and one of instructions."""
_MAX_PARTS = 1000
"""Of one message's content."""
_TEXT = {"type": "string", "maxLength": MAX_HISTORY_CHARS}
_TEXT_PART = {
    "type": "object",
    "properties": {"type": {"const": "text"}, "text": _TEXT},
    "required": ["type", "text"],
}


def _joined(content: Any) -> Any:
    """The text of a content, each part on its own line. pydantic refuses any other type."""
    if not isinstance(content, list):
        return content
    if len(content) > _MAX_PARTS:
        raise PydanticCustomError("too_long", "must have at most {parts} parts", {"parts": _MAX_PARTS})
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind != "text":
            # The value may be very long, or have lone surrogates, which pydantic can't show.
            raise PydanticCustomError(
                "no_text", "parts of type {kind} can't be read, only text", {"kind": ascii(kind)[:80]}
            )
        if part.keys() != {"type", "text"} or not isinstance(part["text"], str):
            raise PydanticCustomError("no_text", "a text part has a type and a text, and nothing else")
    return "\n".join(part["text"] for part in content)


Content = Annotated[
    str,
    Field(max_length=MAX_HISTORY_CHARS),
    BeforeValidator(_joined),
    WithJsonSchema({"anyOf": [_TEXT, {"type": "array", "items": _TEXT_PART, "maxItems": _MAX_PARTS}]}),
]
_STOP = {"type": "string", "maxLength": MAX_STOP_CHARS}
Stops = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=MAX_STOP_CHARS)]],
    Field(max_length=MAX_STOPS, fail_fast=True),
    BeforeValidator(lambda stop: [stop] if isinstance(stop, str) else stop),
    WithJsonSchema({"anyOf": [_STOP, {"type": "array", "items": _STOP, "maxItems": MAX_STOPS}]}),
]


class ChatMessage(Body):
    """A message: the caller's instructions first, then user and assistant in turn."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Content

    @model_validator(mode="before")
    @classmethod
    def _without_nothing(cls, message: Any) -> Any:
        """Clients send back answers of other servers, which have fields that are null or empty."""
        if not isinstance(message, dict):
            return message
        return {
            name: value
            for name, value in message.items()
            if name not in _MESSAGE_LABELS and value is not None and value != []
        }


class StreamOptions(Body):
    """What a stream has besides the answer: the usage at its end, or the usage so far in every chunk."""

    include_usage: bool = False
    continuous_usage_stats: bool = False
    include_obfuscation: Literal[False] = False


class ChatRequest(Filtered):
    """A chat with an agent, whose name is the model's.

    The last message is the question that is searched for, with the user's earlier messages if it does not
    stand alone; all of them follow the documents in the prompt. `filter` and `doc_ids` limit the search to
    some documents.
    `null` means that a field is not there. `user`, `metadata`, `safety_identifier`,
    `prompt_cache_key` and a message's `name` change nothing; unsupported fields (`tools`, `logprobs`, `n`
    above 1, ...) are refused by name.
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
    seed: int | None = Field(None, ge=-MAX_SEED, le=MAX_SEED)
    stop: Stops = Field([], description="a text or up to 4; the answer ends before it")
    ignore_eos: bool = Field(False, description="true: always writes max_tokens tokens, for measurements")
    share_answer: bool | None = Field(
        None,
        description="true: the answer to an equal greedy request may be given again; null: as configured",
    )
    return_token_ids: bool = Field(False, description="true: the response has the ids of prompt and answer")

    @model_validator(mode="before")
    @classmethod
    def _without_neutral(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        return {name: value for name, value in body.items() if not _asks_for_nothing(name, value)}


def _asks_for_nothing(name: str, value: object) -> bool:
    return value is None or name in _LABELS or value in _NEUTRAL.get(name, ())


class PromptTokensDetails(BaseModel):
    """Tokens of the prompt whose KV was found in the engine's prefix cache."""

    cached_tokens: int


class Usage(BaseModel):
    """Tokens of prompt and answer. The prompt has 0 when no documents were found to answer from."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails

    @classmethod
    def of(cls, prompt_tokens: int, completion_tokens: int, cached_tokens: int) -> Usage:
        """The usage with these counts and their sum."""
        return cls(
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            total_tokens=prompt_tokens + completion_tokens,
            prompt_tokens_details=PromptTokensDetails(cached_tokens=cached_tokens),
        )


class AnswerMessage(BaseModel):
    """The agent's message."""

    role: Literal["assistant"] = "assistant"
    content: str


class Choice(BaseModel):
    """The only choice. `token_ids` are as the engine sampled them, including those of a stop string."""

    index: int = 0
    message: AnswerMessage
    finish_reason: str
    logprobs: None = None
    token_ids: list[int] | None = None


class ChatCompletion(BaseModel):
    """An answer in OpenAI's shape; `warmline` is its ledger."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    prompt_token_ids: list[int] | None = None
    warmline: AnswerBody


class ModelBody(BaseModel):
    """An agent, as a model. `created` is when this server began to offer it, in Unix seconds."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["warmline"] = "warmline"


class ModelList(BaseModel):
    """All agents."""

    object: Literal["list"] = "list"
    data: list[ModelBody]
