"""Responses of OpenAI's Responses API."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from serve_app.http.answers import AnswerBody


class OutputText(BaseModel):
    """The text of the agent's message."""

    type: Literal["output_text"] = "output_text"
    text: str
    annotations: list[dict[str, Any]] = []
    logprobs: list[dict[str, Any]] = []


class OutputRefusal(BaseModel):
    """Why there is no answer in the form that was asked for: no document was found to answer from."""

    type: Literal["refusal"] = "refusal"
    refusal: str


class ResponseMessage(BaseModel):
    """The agent's message."""

    id: str
    type: Literal["message"] = "message"
    status: Literal["in_progress", "completed", "incomplete"]
    role: Literal["assistant"] = "assistant"
    content: list[OutputText | OutputRefusal]


class InputTokensDetails(BaseModel):
    """Tokens of the prompt whose KV was found in the engine's prefix cache."""

    cached_tokens: int
    cache_write_tokens: int = 0


class OutputTokensDetails(BaseModel):
    """Agents answer without thinking first."""

    reasoning_tokens: Literal[0] = 0


class ResponseUsage(BaseModel):
    """Tokens of prompt and answer. The prompt has 0 if no documents were found to answer from."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails = OutputTokensDetails()
    total_tokens: int


class IncompleteDetails(BaseModel):
    """Why an answer is incomplete."""

    reason: Literal["max_output_tokens"] = "max_output_tokens"


class ConversationReference(BaseModel):
    """The conversation that a response belongs to."""

    id: str


class ResponseObject(BaseModel):
    """A response in OpenAI's shape; `warmline` is the ledger of an answer that was just given."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    status: Literal["in_progress", "completed", "incomplete"]
    error: None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: str | None
    max_output_tokens: int | None
    model: str
    output: list[ResponseMessage]
    parallel_tool_calls: bool = True
    previous_response_id: str | None
    conversation: ConversationReference | None
    store: bool
    temperature: float | None
    top_p: float | None
    text: dict[str, Any]
    tool_choice: Literal["none"] = "none"
    tools: list[dict[str, Any]] = []
    truncation: Literal["auto"] = "auto"
    background: Literal[False] = False
    usage: ResponseUsage | None
    user: str | None
    metadata: dict[str, str]
    warmline: AnswerBody | None = None


class DeletedResponse(BaseModel):
    """A response that was deleted."""

    id: str
    object: Literal["response"] = "response"
    deleted: Literal[True] = True
