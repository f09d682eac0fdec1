"""Encodes answers as OpenAI's Responses API does: a `response`, whole, stored, or as a stream's events."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from deployments.core.conversations import StoredTurn
from deployments.core.ledger import Answer
from deployments.core.messages import Delta
from serve_app.http.answers import AnswerBody
from serve_app.http.response_objects import (
    ConversationReference,
    IncompleteDetails,
    InputTokensDetails,
    OutputRefusal,
    OutputText,
    ResponseMessage,
    ResponseObject,
    ResponseUsage,
)
from serve_app.sse import frame

_IDS = {"prompt_token_ids", "token_ids"}
_FREE_TEXT = {"format": {"type": "text"}}
_Status: TypeAlias = Literal["in_progress", "completed", "incomplete"]
_ECHO = {
    "instructions": None,
    "max_output_tokens": None,
    "temperature": None,
    "top_p": None,
    "text": _FREE_TEXT,
    "user": None,
    "metadata": {},
}
"""A request's fields that its response repeats, and what a response has that no such request asked for."""


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """What a response has before there is an answer."""

    id: str
    created: int
    """Unix seconds."""
    model: str
    echo: dict[str, Any]
    """The request's fields by the names in `_ECHO`."""
    previous: str | None
    """The response that this one follows."""
    conversation_id: str | None
    """None if it is not known before the answer."""
    store: bool
    refusable: bool = False
    """Whether an answer without documents is a refusal: it is no JSON, which was asked for."""

    def note(self) -> str:
        """What is stored with the turn, so that `stored_response` can repeat it."""
        return json.dumps({"created": self.created, "refusable": self.refusable, "echo": self.echo})


def whole_response(head: ResponseHead, answer: Answer) -> dict[str, Any]:
    """The response with a complete answer."""
    conversation = answer.conversation
    known = head.conversation_id if conversation is None else conversation.conversation_id
    body = _response(
        replace(head, conversation_id=known),
        _status(answer.finish_reason),
        _part(answer.text, head.refusable and not answer.prompt_ids),
        _usage(answer.reuse.prompt_tokens, answer.reuse.kv_cached_tokens, answer.answer_tokens),
    )
    body.warmline = AnswerBody.of(answer)
    return body.model_dump(exclude={"warmline": _IDS})


def stored_response(turn: StoredTurn) -> ResponseObject:
    """The response of a stored turn. A turn of another route repeats no request."""
    noted: dict[str, Any] = json.loads(turn.note or "{}")
    head = ResponseHead(
        id=turn.turn_id,
        created=noted.get("created", int(turn.created_at_s)),
        model=turn.agent,
        echo=noted.get("echo", {}),
        previous=turn.previous,
        conversation_id=turn.conversation_id,
        store=True,
        refusable=noted.get("refusable", False),
    )
    return _response(
        head,
        _status(turn.finish_reason),
        _part(turn.answer, head.refusable and not turn.prompt_tokens),
        _usage(turn.prompt_tokens, turn.cached_tokens, turn.answer_tokens),
    )


class ResponseFraming:
    """A `Framing` of the Responses API's named events. Each has the next `sequence_number`."""

    def __init__(self, head: ResponseHead) -> None:
        self._head = head
        self._number = 0
        self._begun = False
        self._refused = False

    def delta(self, delta: Delta, _: int) -> bytes:
        """The events of a delta; the first one's begin the response."""
        frames = self._opening(delta.prompt_ids)
        if delta.text:
            frames += self._event(f"{self._kind}.delta", **self._place, delta=delta.text, **self._logprobs)
        return frames

    def answer(self, answer: Answer, _: int) -> bytes:
        """The events that end the response."""
        frames = self._opening(answer.prompt_ids)
        whole = whole_response(self._head, answer)
        message = whole["output"][0]
        text = {"refusal" if self._refused else "text": answer.text}
        place = self._place
        frames += self._event(f"{self._kind}.done", **place, **text, **self._logprobs)
        frames += self._event("response.content_part.done", **place, part=message["content"][0])
        frames += self._event("response.output_item.done", output_index=0, item=message)
        return frames + self._event(f"response.{whole['status']}", response=whole)

    def error(self, body: dict[str, Any]) -> bytes:
        """An `error` event with OpenAI's fields, and the error as every other body has it."""
        error = body["error"]
        fields = {name: error[name] for name in ("code", "message", "param")}
        return self._event("error", **fields, **body)

    @property
    def _kind(self) -> str:
        return "response.refusal" if self._refused else "response.output_text"

    @property
    def _place(self) -> dict[str, Any]:
        return {"item_id": _message_id(self._head), "output_index": 0, "content_index": 0}

    @property
    def _logprobs(self) -> dict[str, Any]:
        return {} if self._refused else {"logprobs": []}

    def _opening(self, prompt_ids: bytes) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        self._refused = self._head.refusable and not prompt_ids
        begun = _response(self._head, "in_progress").model_dump()
        item = ResponseMessage(id=_message_id(self._head), status="in_progress", content=[])
        part = _part("", self._refused).model_dump()
        return b"".join(
            (
                self._event("response.created", response=begun),
                self._event("response.in_progress", response=begun),
                self._event("response.output_item.added", output_index=0, item=item.model_dump()),
                self._event("response.content_part.added", **self._place, part=part),
            )
        )

    def _event(self, kind: str, **fields: Any) -> bytes:
        event = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        return frame(kind, event)


def _response(
    head: ResponseHead,
    status: _Status,
    part: OutputText | OutputRefusal | None = None,
    usage: ResponseUsage | None = None,
) -> ResponseObject:
    """`part` is the message; None before there is one."""
    output = []
    if part is not None:
        output.append(ResponseMessage(id=_message_id(head), status=status, content=[part]))
    conversation = head.conversation_id
    return ResponseObject(
        id=head.id,
        created_at=head.created,
        status=status,
        incomplete_details=IncompleteDetails() if status == "incomplete" else None,
        model=head.model,
        output=output,
        previous_response_id=head.previous,
        conversation=None if conversation is None else ConversationReference(id=conversation),
        store=head.store,
        usage=usage,
        **(_ECHO | head.echo),
    )


def _part(text: str, refused: bool) -> OutputText | OutputRefusal:
    return OutputRefusal(refusal=text) if refused else OutputText(text=text)


def _message_id(head: ResponseHead) -> str:
    return f"msg_{head.id.removeprefix('resp_')}"


def _status(finish_reason: str) -> _Status:
    return "incomplete" if finish_reason == "length" else "completed"


def _usage(prompt_tokens: int, cached_tokens: int, answer_tokens: int) -> ResponseUsage:
    return ResponseUsage(
        input_tokens=prompt_tokens,
        input_tokens_details=InputTokensDetails(cached_tokens=cached_tokens),
        output_tokens=answer_tokens,
        total_tokens=prompt_tokens + answer_tokens,
    )
