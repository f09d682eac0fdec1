"""Cutting a chat template into the five constant pieces around its contents.

The template is rendered only at start-up, with sentinels as contents. Prompts are then made by joining
ids. The functions are pure: the renderer is an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from deployments.core.errors import ConfigurationError
from deployments.core.messages import ChatScaffold

Message = dict[str, str]
Render = Callable[[Sequence[Message]], str]
"""Renders a conversation, up to where the next answer starts. Raises ConfigurationError."""

_PREAMBLE, _FIRST, _ANSWER, _NEXT = (f"WARMLINE{n}SENTINEL" for n in range(4))


def scaffold_of(render: Render) -> ChatScaffold:
    """Returns the template's constant pieces.

    Some templates raise on a system message, drop it, or render it after the history. For them the
    preamble goes into the first user turn, and `to_user` is a blank line.

    Raises ConfigurationError when the template does not render each content once and in order, or when
    the pieces depend on the conversation's length.
    """
    with_system = [_message("system", _PREAMBLE), _message("user", _FIRST)]
    try:
        return _cut(render, with_system)
    except ConfigurationError:
        return _cut(render, [_message("user", f"{_PREAMBLE}\n\n{_FIRST}")])


def _cut(render: Render, opening: Sequence[Message]) -> ChatScaffold:
    history = [_message("assistant", _ANSWER), _message("user", _NEXT)]
    long = _pieces(render([*opening, *history]), (_PREAMBLE, _FIRST, _ANSWER, _NEXT))
    short = _pieces(render(opening), (_PREAMBLE, _FIRST))
    if short != [long[0], long[1], long[4]]:
        raise ConfigurationError(
            "the model's chat template renders a turn differently by its place in the chat"
        )
    return ChatScaffold(*long)


def _pieces(rendered: str, sentinels: Sequence[str]) -> list[str]:
    pieces: list[str] = []
    rest = rendered
    for sentinel in sentinels:
        before, found, rest = rest.partition(sentinel)
        pieces.append(before)
        if not found:
            break
    pieces.append(rest)
    if len(pieces) != len(sentinels) + 1 or any("SENTINEL" in piece for piece in pieces):
        raise ConfigurationError(
            "the model's chat template does not show each turn once, as text and in order"
        )
    return pieces


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}
