"""Splits OpenAI's messages into what an agent gets: instructions, earlier turns and the question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from deployments.core.errors import InvalidRequest
from deployments.core.limits import MAX_QUERY_CHARS
from deployments.core.messages import Turn
from serve_app.http.openai_messages import ChatMessage

_BLANK_LINE = "\n\n"
_INSTRUCTING = ("system", "developer")
_RESULTS = ("tool", "function")


@dataclass(frozen=True, slots=True)
class Conversation:
    """The messages of a chat as an agent reads them."""

    instructions: str
    """The system and developer messages, separated by blank lines; "" if there are none."""
    history: tuple[Turn, ...]
    """The turns before the question, oldest first."""
    question: str
    """The user's last message."""
    answer_start: str = ""
    """The assistant's messages after the question, which the answer continues."""


@dataclass(frozen=True, slots=True)
class _Said:
    """A message of the dialogue."""

    position: int
    """In the request's messages."""
    by_assistant: bool
    text: str


def conversation_of(messages: Sequence[ChatMessage], field: str = "messages") -> Conversation:
    """Splits messages, in any order of roles. `field` has them in the request; errors name it.

    System and developer messages are instructions wherever they stand: the prompt has one place for them,
    after the documents. Consecutive messages of the user, or of the assistant, are one turn, separated by
    blank lines. Results of tools are the user's text. Messages without text are left out.

    Raises InvalidRequest if no message can be the question.
    """
    dialogue = list(_dialogue(messages))
    last = max((at for at, said in enumerate(dialogue) if not said.by_assistant), default=None)
    if last is None:
        raise InvalidRequest(
            f"{field}: one of them must be the user's and have a text, which is the question", field
        )
    asked = dialogue[last]
    if len(asked.text) > MAX_QUERY_CHARS:
        raise InvalidRequest(
            f"{field}[{asked.position}] is the question and has {len(asked.text)} characters, more than "
            f"{MAX_QUERY_CHARS}: send long material in a message before it, or store it as a document",
            field,
        )
    return Conversation(
        instructions=_joined(message.content for message in messages if _instructs(message)),
        history=tuple(_turns(dialogue[:last])),
        question=asked.text,
        answer_start=_joined(said.text for said in dialogue[last + 1 :]),
    )


def _instructs(message: ChatMessage) -> bool:
    return message.role in _INSTRUCTING and bool(message.content.strip())


def _dialogue(messages: Sequence[ChatMessage]) -> Iterator[_Said]:
    names = {call.id: call.function.name for message in messages for call in message.tool_calls}
    for position, message in enumerate(messages):
        if message.role in _INSTRUCTING or not message.content.strip():
            continue
        text = message.content
        if message.role in _RESULTS:
            name = names.get(message.tool_call_id or "") or message.name or "a tool"
            text = f"Result of {name}:\n{text}"
        yield _Said(position, message.role == "assistant", text)


def _turns(dialogue: Sequence[_Said]) -> Iterator[Turn]:
    user = ""
    for by_assistant, said in groupby(dialogue, key=lambda said: said.by_assistant):
        text = _joined(message.text for message in said)
        if by_assistant:
            yield Turn(user, text)
        user = "" if by_assistant else text
    if user:
        yield Turn(user, "")


def _joined(texts: Iterator[str]) -> str:
    return _BLANK_LINE.join(texts)
