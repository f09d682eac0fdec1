"""Joins a prompt from ids: `[head + preamble] [documents] [hint] [history, question] [to generation]`.

A caller's own instructions stand where the hint does: nothing that differs between two requests stands
before the documents. The model's own template is cut once (`ChatScaffold`); here its pieces, the texts and
the documents' ids are only put together.
"""

from __future__ import annotations

from collections.abc import Sequence

from deployments.core.messages import ChatScaffold, Turn
from deployments.core.ports import TextEncoder
from deployments.core.segments import PlainText, ScaffoldText
from deployments.core.token_ids import TokenIds, join

_HINTED = 3
"""More names than this cost prefill in every request and tell the model nothing new."""


class PromptAssembler:
    """One agent's prompts. `head` is the ids that open all of them."""

    def __init__(self, encoder: TextEncoder, scaffold: ChatScaffold, preamble: str) -> None:
        self._encoder = encoder
        self._scaffold = scaffold
        self.head = encoder.encode_prompt([ScaffoldText(scaffold.head), PlainText(preamble.strip())])

    def tail(self, hint: str, history: Sequence[Turn], question: str) -> TokenIds:
        """Ids of all that stands behind the documents."""
        pieces: list[PlainText | ScaffoldText] = []
        if hint:
            pieces.append(PlainText(hint))
        pieces.append(ScaffoldText(self._scaffold.to_user))
        for turn in history:
            pieces.append(PlainText(turn.user.strip()))
            pieces.append(ScaffoldText(self._scaffold.to_assistant))
            pieces.append(PlainText(turn.assistant.strip()))
            pieces.append(ScaffoldText(self._scaffold.next_user))
        pieces.append(PlainText(question.strip()))
        pieces.append(ScaffoldText(self._scaffold.to_generation))
        return self._encoder.encode_prompt(pieces)

    def join(self, documents: Sequence[TokenIds], tail: TokenIds) -> TokenIds:
        """The whole prompt."""
        return join([self.head, *documents, tail])


def rank_hint(names: Sequence[str], order: Sequence[int]) -> str:
    """Tells the model what is most relevant, where the order does not. `names` is in rank order."""
    if list(order) == list(range(len(names))):
        return ""
    distinct = list(dict.fromkeys(names))[:_HINTED]
    return "\n\nMost relevant first: " + "; ".join(distinct) + "."
