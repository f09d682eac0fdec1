"""Encodes an agent's answer as OpenAI does: a `chat.completion`, or `chat.completion.chunk`s."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deployments.core.ledger import Answer
from deployments.core.messages import Delta
from deployments.core.token_ids import count_in, from_bytes
from serve_app.http.answers import AnswerBody
from serve_app.http.openai_bodies import AnswerMessage, ChatCompletion, Choice, Usage
from serve_app.sse import data_frame

_IDS = {"prompt_token_ids", "token_ids"}
_WITHOUT_LEDGER_IDS: Any = {"warmline": _IDS}
"""Leaves out the ledger's ids, since the response has them in vLLM's fields."""
_WITHOUT_IDS: Any = {"warmline": _IDS, "prompt_token_ids": True, "choices": {"__all__": {"token_ids"}}}


@dataclass(frozen=True, slots=True)
class ChatHead:
    """What all chunks of an answer have in common, and which optional fields they show."""

    id: str
    model: str
    created: int
    """Unix seconds."""
    return_token_ids: bool
    """Whether to show the ids of prompt and answer."""
    include_usage: bool
    """Whether a stream ends in a chunk with the usage."""
    continuous_usage: bool = False
    """Whether every chunk has the usage up to it."""


def completion(head: ChatHead, answer: Answer) -> dict[str, Any]:
    """The whole answer as a `chat.completion` object."""
    body = ChatCompletion(
        id=head.id,
        created=head.created,
        model=head.model,
        choices=[
            Choice(
                message=AnswerMessage(content=answer.text),
                finish_reason=answer.finish_reason,
                token_ids=_ids(answer.answer_ids),
            )
        ],
        usage=_usage(answer),
        prompt_token_ids=_ids(answer.prompt_ids),
        warmline=AnswerBody.of(answer),
    )
    return body.model_dump(exclude=_WITHOUT_LEDGER_IDS if head.return_token_ids else _WITHOUT_IDS)


class ChunkFraming:
    """A `Framing` of unnamed events with one chunk each. The last chunk has `warmline` and the usage."""

    def __init__(self, head: ChatHead) -> None:
        self._head = head
        self._begun = False
        self._usage = Usage.of(0, 0, 0)

    def delta(self, delta: Delta) -> bytes:
        """The chunk of a delta. If ids are shown, a delta without text has one too: no id is lost."""
        if self._head.continuous_usage:
            self._count(delta)
        frames = self._opening(delta.prompt_ids)
        ids: dict[str, Any] = {"token_ids": _ids(delta.ids)} if self._head.return_token_ids else {}
        if delta.text or (ids and delta.ids):
            frames += self._chunk([_choice({"content": delta.text}, **ids)])
        return frames

    def answer(self, answer: Answer) -> bytes:
        """The chunk with the finish reason, then one with the usage if that was asked for."""
        ledger = {"warmline": AnswerBody.of(answer).model_dump(exclude=_IDS)}
        ending = [_choice({}, finish_reason=answer.finish_reason)]
        frames = self._opening(answer.prompt_ids)
        if not self._head.include_usage:
            return frames + self._chunk(ending, **ledger)
        return frames + self._chunk(ending) + self._chunk([], usage=_usage(answer).model_dump(), **ledger)

    def error(self, body: dict[str, Any]) -> bytes:
        """The error's body as an event, which OpenAI's clients raise."""
        return data_frame(body)

    def _count(self, delta: Delta) -> None:
        earlier = self._usage
        prompt_tokens = earlier.prompt_tokens or count_in(delta.prompt_ids)
        cached = delta.kv_cached_tokens
        self._usage = Usage.of(
            prompt_tokens,
            earlier.completion_tokens + count_in(delta.ids),
            earlier.prompt_tokens_details.cached_tokens if cached is None else cached,
        )

    def _opening(self, prompt_ids: bytes) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        ids = {"prompt_token_ids": _ids(prompt_ids)} if self._head.return_token_ids else {}
        return self._chunk([_choice({"role": "assistant", "content": ""})], **ids)

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        chunk = {
            "id": self._head.id,
            "object": "chat.completion.chunk",
            "created": self._head.created,
            "model": self._head.model,
            "choices": choices,
        }
        if self._head.include_usage:
            chunk["usage"] = self._usage.model_dump() if self._head.continuous_usage else None
        return data_frame(chunk | more)


def _choice(delta: dict[str, str], finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason, **more}


def _usage(answer: Answer) -> Usage:
    return Usage.of(answer.reuse.prompt_tokens, answer.answer_tokens, answer.reuse.kv_cached_tokens)


def _ids(raw: bytes) -> list[int]:
    return from_bytes(raw).tolist()
