"""Splits OpenAI's messages into what an agent gets: instructions, earlier turns and the question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from deployments.core.errors import InvalidRequest
from deployments.core.limits import MAX_QUERY_CHARS
from deployments.core.messages import Turn
from serve_app.http.openai_bodies import ChatMessage

_INSTRUCTING = ("system", "developer")


@dataclass(frozen=True, slots=True)
class Conversation:
    """The messages of a chat as an agent reads them."""

    instructions: str
    """The system and developer messages, separated by blank lines; "" if there are none."""
    history: tuple[Turn, ...]
    """The turns before the question, oldest first."""
    question: str


def conversation_of(messages: Sequence[ChatMessage]) -> Conversation:
    """Splits messages: system and developer first, then user and assistant in turn, a user's last.

    Raises InvalidRequest, which names the first message that is out of turn.
    """
    instructions = list(takewhile(lambda message: message.role in _INSTRUCTING, messages))
    dialogue = messages[len(instructions) :]
    for number, message in enumerate(dialogue):
        expected = "assistant" if number % 2 else "user"
        if message.role != expected:
            raise _refusal(
                len(instructions) + number,
                f"has the role {message.role} where {expected} is expected: after system messages, "
                "user and assistant take turns",
            )
    if len(dialogue) % 2 == 0:
        raise _refusal(len(messages) - 1, "must have the role user: the last message is the question")
    question = dialogue[-1].content
    if not question.strip() or len(question) > MAX_QUERY_CHARS:
        raise _refusal(len(messages) - 1, f"is the question and must have 1 to {MAX_QUERY_CHARS} characters")
    turns = zip(dialogue[0:-1:2], dialogue[1::2], strict=True)
    return Conversation(
        "\n\n".join(message.content for message in instructions),
        tuple(Turn(user.content, assistant.content) for user, assistant in turns),
        question,
    )


def _refusal(position: int, rule: str) -> InvalidRequest:
    return InvalidRequest(f"messages[{position}] {rule}", "messages")
