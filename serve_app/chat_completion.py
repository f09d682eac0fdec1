"""An agent's answer in OpenAI's shape: whole, or as `chat.completion.chunk`s."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from deployments.core.ledger import Answer
from deployments.core.messages import Delta
from deployments.core.token_ids import count_in, from_bytes
from serve_app.http.answers import AnswerBody
from serve_app.http.openai_bodies import AnswerMessage, ChatCompletion, Choice, Usage

_IDS = {"prompt_token_ids", "token_ids"}
_LEDGER_ONLY: Any = {"warmline": _IDS}
"""Ids stand in vLLM's places and not in the ledger as well."""
_NO_IDS: Any = {"warmline": _IDS, "prompt_token_ids": True, "choices": {"__all__": {"token_ids"}}}


@dataclass(frozen=True, slots=True)
class ChatHead:
    """What is the same in all of an answer's bodies, and how much is shown. `created` in Unix seconds."""

    id: str
    model: str
    created: int
    return_token_ids: bool
    include_usage: bool
    continuous_usage: bool = False


def completion(head: ChatHead, answer: Answer) -> dict[str, Any]:
    """The whole answer."""
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
    return body.model_dump(exclude=_LEDGER_ONLY if head.return_token_ids else _NO_IDS)


class ChunkFraming:
    """A `Framing` of plain `data:` lines. The last chunk has the usage, where wanted, and `warmline`."""

    def __init__(self, head: ChatHead) -> None:
        self._head = head
        self._begun = False
        self._so_far = Usage.of(0, 0, 0)

    def delta(self, delta: Delta) -> bytes:
        """See `Framing`. With ids wanted, pieces without text are shown too: no id may be lost."""
        if self._head.continuous_usage:
            self._count(delta)
        frames = self._opening(delta.prompt_ids)
        ids: dict[str, Any] = {"token_ids": _ids(delta.ids)} if self._head.return_token_ids else {}
        if delta.text or (ids and delta.ids):
            frames += self._chunk([_choice({"content": delta.text}, **ids)])
        return frames

    def answer(self, answer: Answer) -> bytes:
        """See `Framing`."""
        ledger = {"warmline": AnswerBody.of(answer).model_dump(exclude=_IDS)}
        ending = [_choice({}, finish_reason=answer.finish_reason)]
        frames = self._opening(answer.prompt_ids)
        if not self._head.include_usage:
            return frames + self._chunk(ending, **ledger)
        return frames + self._chunk(ending) + self._chunk([], usage=_usage(answer).model_dump(), **ledger)

    def error(self, body: dict[str, Any]) -> bytes:
        """See `Framing`: OpenAI's clients raise it."""
        return _data(body)

    def _count(self, delta: Delta) -> None:
        so_far = self._so_far
        prompt_tokens = so_far.prompt_tokens or count_in(delta.prompt_ids)
        cached = delta.kv_cached_tokens
        self._so_far = Usage.of(
            prompt_tokens,
            so_far.completion_tokens + count_in(delta.ids),
            so_far.prompt_tokens_details.cached_tokens if cached is None else cached,
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
            chunk["usage"] = self._so_far.model_dump() if self._head.continuous_usage else None
        return _data(chunk | more)


def _choice(delta: dict[str, str], finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason, **more}


def _usage(answer: Answer) -> Usage:
    return Usage.of(answer.reuse.prompt_tokens, answer.answer_tokens, answer.reuse.kv_cached_tokens)


def _ids(raw: bytes) -> list[int]:
    return from_bytes(raw).tolist()


def _data(body: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n".encode()
