"""From OpenAI's messages to what an agent is asked: instructions, earlier turns and the question."""

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
    """The caller's instructions ("" for none), the question, and the turns before it, oldest first."""

    instructions: str
    history: tuple[Turn, ...]
    question: str


def conversation_of(messages: Sequence[ChatMessage]) -> Conversation:
    """Takes messages apart: system and developer first, then user and assistant in turn, a user last.

    Raises: InvalidRequest, which names the message.
    """
    instructions = list(takewhile(lambda message: message.role in _INSTRUCTING, messages))
    said = messages[len(instructions) :]
    for number, message in enumerate(said):
        expected = "assistant" if number % 2 else "user"
        if message.role != expected:
            raise _refusal(
                len(instructions) + number,
                f"is the {message.role}'s where the {expected}'s is expected: after system messages, "
                "user and assistant take turns",
            )
    if len(said) % 2 == 0:
        raise _refusal(len(messages) - 1, "must be a user's, since the last one is what is answered")
    question = said[-1].content
    if not question.strip() or len(question) > MAX_QUERY_CHARS:
        raise _refusal(len(messages) - 1, f"is the question and must have 1 to {MAX_QUERY_CHARS} characters")
    turns = zip(said[0:-1:2], said[1::2], strict=True)
    return Conversation(
        "\n\n".join(message.content for message in instructions),
        tuple(Turn(user.content, assistant.content) for user, assistant in turns),
        question,
    )


def _refusal(position: int, rule: str) -> InvalidRequest:
    return InvalidRequest(f"messages[{position}] {rule}", "messages")
