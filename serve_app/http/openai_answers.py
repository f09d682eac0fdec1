"""Responses of the OpenAI-compatible API, with vLLM's field names where OpenAI has none."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from serve_app.http.answers import AnswerBody


class PromptTokensDetails(BaseModel):
    """Tokens of the prompt whose KV was found in the engine's prefix cache."""

    cached_tokens: int


class Usage(BaseModel):
    """Tokens of the prompt and of all answers. The prompt has 0 if no documents were found to answer from."""

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
    content: str | None
    """None if there is a refusal."""
    refusal: str | None = None
    """Why there is no answer in the form that was asked for: no document was found to answer from."""


class Choice(BaseModel):
    """An answer. `token_ids` are as the engine sampled them, including those of a stop string."""

    index: int
    message: AnswerMessage
    finish_reason: str
    logprobs: None = None
    token_ids: list[int] | None = None
    warmline: AnswerBody | None = None
    """This answer's ledger, if there is more than one answer."""


class ChatCompletion(BaseModel):
    """Answers in OpenAI's shape; `warmline` is the ledger, of the first one if there are more."""

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
