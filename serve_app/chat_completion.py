"""Encodes an agent's answers as OpenAI does: a `chat.completion`, or `chat.completion.chunk`s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deployments.core.ledger import Answer
from deployments.core.messages import Delta
from deployments.core.token_ids import count_in, from_bytes
from serve_app.http.answers import AnswerBody
from serve_app.http.openai_answers import AnswerMessage, ChatCompletion, Choice, Usage
from serve_app.sse import data_frame

_IDS = {"prompt_token_ids", "token_ids"}
"""The ledger's ids are left out, since the response has them in vLLM's fields."""


@dataclass(frozen=True, slots=True)
class ChatHead:
    """What all chunks of an answer have in common, and which optional fields they show."""

    id: str
    model: str
    created: int
    """Unix seconds."""
    return_token_ids: bool
    """Whether to show the ids of prompt and answers."""
    include_usage: bool
    """Whether a stream ends in a chunk with the usage."""
    continuous_usage: bool = False
    """Whether every chunk has the usage up to it."""
    choices: int = 1
    """Number of answers."""
    refusable: bool = False
    """Whether an answer without documents is a refusal: it is no JSON, which was asked for."""


def completion(head: ChatHead, answers: Sequence[Answer]) -> dict[str, Any]:
    """The whole answers as a `chat.completion` object."""
    first = answers[0]
    body = ChatCompletion(
        id=head.id,
        created=head.created,
        model=head.model,
        choices=[_whole_choice(head, number, answer) for number, answer in enumerate(answers)],
        usage=_usage(answers),
        prompt_token_ids=_ids(first.prompt_ids),
        warmline=AnswerBody.of(first),
    )
    return body.model_dump(exclude=_left_out(head))


def _whole_choice(head: ChatHead, number: int, answer: Answer) -> Choice:
    return Choice(
        index=number,
        message=AnswerMessage.model_validate(_text(answer.text, head.refusable and not answer.prompt_ids)),
        finish_reason=answer.finish_reason,
        token_ids=_ids(answer.answer_ids),
        warmline=AnswerBody.of(answer) if head.choices > 1 else None,
    )


def _left_out(head: ChatHead) -> Any:
    choice: dict[str, Any] = {"warmline": True if head.choices == 1 else _IDS}
    if not head.refusable:
        choice["message"] = {"refusal"}
    if head.return_token_ids:
        return {"warmline": _IDS, "choices": {"__all__": choice}}
    choice["token_ids"] = True
    return {"warmline": _IDS, "choices": {"__all__": choice}, "prompt_token_ids": True}


class ChunkFraming:
    """A `Framing` of unnamed events with one chunk each.

    The last chunk has `warmline` and the usage; if there are several choices, the last one of each has
    its `warmline`.
    """

    def __init__(self, head: ChatHead) -> None:
        self._head = head
        self._refused: dict[int, bool] = {}
        """Each choice that has begun -> whether it is a refusal."""
        self._answers: dict[int, Answer] = {}
        self._usage = Usage.of(0, 0, 0)

    def delta(self, delta: Delta, choice: int) -> bytes:
        """The chunk of a delta. If ids are shown, a delta without text has one too: no id is lost."""
        if self._head.continuous_usage:
            self._count(delta)
        frames = self._opening(delta.prompt_ids, choice)
        ids: dict[str, Any] = {"token_ids": _ids(delta.ids)} if self._head.return_token_ids else {}
        if delta.text or (ids and delta.ids):
            text = {"refusal" if self._refused[choice] else "content": delta.text}
            frames += self._chunk([_choice(choice, text, **ids)])
        return frames

    def answer(self, answer: Answer, choice: int) -> bytes:
        """The chunk with the finish reason; after the last choice, one with the usage if asked for."""
        self._answers[choice] = answer
        frames = self._opening(answer.prompt_ids, choice)
        ledger = {"warmline": AnswerBody.of(answer).model_dump(exclude=_IDS)}
        with_usage = ledger if self._head.include_usage and self._head.choices == 1 else {}
        ending = _choice(choice, {}, finish_reason=answer.finish_reason)
        frames += self._chunk([ending], **({} if with_usage else ledger))
        if self._head.include_usage and len(self._answers) == self._head.choices:
            answers = [self._answers[number] for number in sorted(self._answers)]
            frames += self._chunk([], usage=_usage(answers).model_dump(), **with_usage)
        return frames

    def error(self, body: dict[str, Any]) -> bytes:
        """The error's body as an event, which OpenAI's clients raise."""
        return data_frame(body)

    def _count(self, delta: Delta) -> None:
        earlier = self._usage
        prompt_tokens = earlier.prompt_tokens or count_in(delta.prompt_ids)
        cached = earlier.prompt_tokens_details.cached_tokens
        self._usage = Usage.of(
            prompt_tokens,
            earlier.completion_tokens + count_in(delta.ids),
            delta.kv_cached_tokens if delta.kv_cached_tokens is not None and not cached else cached,
        )

    def _opening(self, prompt_ids: bytes, choice: int) -> bytes:
        """The chunk that begins a choice, with the role."""
        if choice in self._refused:
            return b""
        self._refused[choice] = self._head.refusable and not prompt_ids
        ids = {"prompt_token_ids": _ids(prompt_ids)} if self._head.return_token_ids else {}
        text = {"refusal": ""} if self._refused[choice] else {"content": ""}
        return self._chunk([_choice(choice, {"role": "assistant", **text})], **ids)

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


def _text(text: str, refused: bool) -> dict[str, str | None]:
    return {"content": None, "refusal": text} if refused else {"content": text}


def _choice(
    number: int, delta: dict[str, str], finish_reason: str | None = None, **more: Any
) -> dict[str, Any]:
    return {"index": number, "delta": delta, "logprobs": None, "finish_reason": finish_reason, **more}


def _usage(answers: Sequence[Answer]) -> Usage:
    """The prompt counts once, as OpenAI counts it, and all answers together."""
    reuse = answers[0].reuse
    generated = sum(answer.answer_tokens for answer in answers)
    return Usage.of(reuse.prompt_tokens, generated, reuse.kv_cached_tokens)


def _ids(raw: bytes) -> list[int]:
    return from_bytes(raw).tolist()
