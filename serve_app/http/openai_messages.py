"""The messages of a chat, as OpenAI's clients send them and send them back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from deployments.core.limits import MAX_HISTORY_CHARS
from serve_app.http.body import Body

_LABELS = frozenset(
    {
        "annotations",
        "cache_control",
        "function_call",
        "id",
        "provider_specific_fields",
        "reasoning",
        "reasoning_content",
        "reasoning_details",
    }
)
"""Fields of a message that are no part of its text: notes of clients, and what a model thought before."""
_TEXT_FIELDS: Mapping[str, str] = {
    "text": "text",
    "input_text": "text",
    "output_text": "text",
    "refusal": "refusal",
}
"""Type of a part -> its field with the text."""
_THOUGHTS = frozenset({"thinking", "redacted_thinking", "reasoning"})
"""Types of parts that hold what a model thought before; templates leave that out of later turns."""
_INSTEAD: Mapping[str, str] = {
    "image_url": "describe the picture in words, or read a screenshot with POST /v1/support/tickets/images",
    "input_image": "describe the picture in words, or read a screenshot with POST /v1/support/tickets/images",
    "input_audio": "send a transcript",
    "file": "store the file with PUT /v1/collections/{name}/documents/{doc_id}",
    "input_file": "store the file with PUT /v1/collections/{name}/documents/{doc_id}",
}
"""Type of a part that can't be read -> what to do."""
_MAX_PARTS = 1000
"""Of one message's content."""
_MAX_CALLS = 128
"""Of one message's tool calls; OpenAI allows as many tools."""
_MAX_NAME_CHARS = 200
_TEXT = {"type": "string", "maxLength": MAX_HISTORY_CHARS}
_TEXT_PART = {
    "type": "object",
    "properties": {"type": {"const": "text"}, "text": _TEXT},
    "required": ["type", "text"],
}


def _joined(content: Any) -> Any:
    """The text of a content, each part on its own line; "" for null. pydantic refuses any other type."""
    if content is None:
        return ""
    if not isinstance(content, list):
        return content
    if len(content) > _MAX_PARTS:
        raise PydanticCustomError("too_long", "must have at most {parts} parts", {"parts": _MAX_PARTS})
    return "\n".join(_text_of(part) for part in content if _kind(part) not in _THOUGHTS)


def _kind(part: Any) -> str:
    """A part's type, of whatever type that is."""
    kind = part.get("type") if isinstance(part, dict) else None
    return kind if isinstance(kind, str) else ascii(kind)


def _text_of(part: Any) -> str:
    """A part's text. Its other fields, such as `cache_control`, are labels."""
    kind = _kind(part)
    # The value may be very long, or have lone surrogates, which pydantic can't show.
    shown = {"kind": ascii(kind)[:80], "instead": _INSTEAD.get(kind, "send the text")}
    if kind not in _TEXT_FIELDS:
        raise PydanticCustomError(
            "no_text", "parts of type {kind} can't be read, only text: {instead}", shown
        )
    text = part.get(_TEXT_FIELDS[kind])
    if not isinstance(text, str):
        raise PydanticCustomError("no_text", "a part of type {kind} needs its text", shown)
    return text


Content = Annotated[
    str,
    Field(max_length=MAX_HISTORY_CHARS),
    BeforeValidator(_joined),
    WithJsonSchema(
        {
            "anyOf": [
                _TEXT,
                {"type": "array", "items": _TEXT_PART, "maxItems": _MAX_PARTS},
                {"type": "null"},
            ]
        }
    ),
]
_Name = Annotated[str, Field(max_length=_MAX_NAME_CHARS)]


class CalledFunction(BaseModel):
    """A function that the assistant called. The model does not see its arguments."""

    name: _Name = ""


class ToolCall(BaseModel):
    """An earlier call of a tool. It gives the tool's result its name."""

    id: _Name = ""
    function: CalledFunction = CalledFunction()


class ChatMessage(Body):
    """A message. `name` and `tool_call_id` say of which tool a result is; a user's `name` changes nothing."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Content = ""
    tool_calls: list[ToolCall] = Field([], max_length=_MAX_CALLS, fail_fast=True)
    tool_call_id: _Name | None = None
    name: _Name | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_labels(cls, message: Any) -> Any:
        """Clients send back answers of other servers, which have fields that are null or empty."""
        if not isinstance(message, dict):
            return message
        asked = {
            name: value
            for name, value in message.items()
            if value is not None and value != [] and name not in _LABELS
        }
        if "content" not in asked and "refusal" in asked:
            asked["content"] = asked["refusal"]
        asked.pop("refusal", None)
        return asked
