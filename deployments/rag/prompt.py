"""Joins a prompt from ids: `[head + preamble] [documents] [hint] [history, question] [to generation]`.

A caller's own instructions follow the hint: nothing that differs between two requests comes before the
documents, so that prompts share prefixes. The model's chat template was cut into pieces before
(`ChatScaffold`); this module only joins those pieces, the texts and the documents' ids.
"""

from __future__ import annotations

from collections.abc import Sequence

from deployments.core.messages import ChatScaffold, Turn
from deployments.core.ports import TextEncoder
from deployments.core.segments import PlainText, ScaffoldText
from deployments.core.token_ids import TokenIds, join

_MAX_HINTED = 3
"""Names in a hint. More would cost prefill in every request and tell the model nothing new."""


class PromptTail:
    """The end of one question's prompt. Its ids are asked for several times, with different hints, but each
    text between two control tokens is encoded once.
    """

    def __init__(self, encoder: TextEncoder, pieces: Sequence[PlainText | ScaffoldText]) -> None:
        self._encoder = encoder
        self._pieces = pieces
        self._known: dict[str, TokenIds] = {}

    def after(self, hint: str) -> TokenIds:
        """Its ids where `hint` stands between the documents and the user's turn."""
        return self._encoder.encode_prompt([PlainText(hint), *self._pieces], self._known)


class PromptAssembler:
    """Joins one agent's prompts. `head` is the ids that all of them begin with."""

    def __init__(self, encoder: TextEncoder, scaffold: ChatScaffold, preamble: str) -> None:
        self._encoder = encoder
        self._scaffold = scaffold
        self.head = encoder.encode_prompt([ScaffoldText(scaffold.head), PlainText(preamble.strip())])

    def tail(self, history: Sequence[Turn], question: str, answer_start: str = "") -> PromptTail:
        """Everything after the documents, without its ids yet."""
        pieces: list[PlainText | ScaffoldText] = [ScaffoldText(self._scaffold.to_user)]
        for turn in history:
            pieces.append(PlainText(turn.user.strip()))
            if not turn.assistant.strip():  # the user's next text is in the same turn
                pieces.append(PlainText("\n\n"))
                continue
            pieces.append(ScaffoldText(self._scaffold.to_assistant))
            pieces.append(PlainText(turn.assistant.strip()))
            pieces.append(ScaffoldText(self._scaffold.next_user))
        pieces.append(PlainText(question.strip()))
        pieces.append(ScaffoldText(self._scaffold.to_generation))
        pieces.append(PlainText(answer_start.strip()))
        return PromptTail(self._encoder, pieces)

    def join(self, documents: Sequence[TokenIds], tail: TokenIds) -> TokenIds:
        """The whole prompt."""
        return join([self.head, *documents, tail])


def rank_hint(names: Sequence[str], order: Sequence[int]) -> str:
    """Names the most relevant documents; "" where their order already shows it.

    `names` is in rank order; `order` has the places in it, in the prompt's order.
    """
    if list(order) == list(range(len(names))):
        return ""
    distinct = list(dict.fromkeys(names))[:_MAX_HINTED]
    return "\n\nMost relevant first: " + "; ".join(distinct) + "."
