"""Joins a prompt from ids: `[head + preamble] [documents] [hint] [history, question] [to generation]`.

A caller's own instructions follow the hint: nothing that differs between two requests comes before the
documents, so that prompts share prefixes. The model's chat template was cut into pieces before
(`ChatScaffold`); this module only joins those pieces, the texts and the documents' ids.

In a conversation, a later turn continues an earlier prompt and its answer:
`... [next user + "Further documents:"] [documents] [notes] ["Question: " + question] [to generation]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from deployments.core.messages import ChatScaffold, Turn
from deployments.core.ports import TextEncoder
from deployments.core.segments import PlainText, ScaffoldText
from deployments.core.token_ids import TokenIds

_MAX_HINTED = 3
"""Names in a hint. More would cost prefill in every request and tell the model nothing new."""
_FURTHER = "Further documents:"
"""Comes before the documents of a later turn, which are in the user's message."""
_QUESTION = "\n\nQuestion: "
"""Comes between the documents and the question of a later turn."""

_Pieces = list[PlainText | ScaffoldText]
KnownTexts: TypeAlias = dict[str, TokenIds]
"""Ids of texts that were encoded before, for one question: its prompt's end is made several times."""


class PromptAssembler:
    """Makes the pieces of one agent's prompts that are no documents. All prompts begin with `head`."""

    def __init__(self, encoder: TextEncoder, scaffold: ChatScaffold, preamble: str) -> None:
        self._encoder = encoder
        self._scaffold = scaffold
        self.head = encoder.encode_prompt([ScaffoldText(scaffold.head), PlainText(preamble.strip())])
        self.further = encoder.encode_prompt([ScaffoldText(scaffold.next_user), PlainText(_FURTHER)])
        """Ids between an earlier answer and the documents of a later turn."""

    def tail(
        self,
        notes: str,
        history: Sequence[Turn],
        question: str,
        answer_start: str = "",
        known: KnownTexts | None = None,
    ) -> TokenIds:
        """Ids of everything after the documents of a first turn. `known` is as in `encode_prompt`."""
        begin: _Pieces = [PlainText(notes)] if notes else []
        begin.append(ScaffoldText(self._scaffold.to_user))
        return self._to_answer(begin, history, question, answer_start, known)

    def later_tail(
        self,
        notes: str,
        history: Sequence[Turn],
        question: str,
        *,
        after_documents: bool,
        known: KnownTexts | None = None,
    ) -> TokenIds:
        """Ids of everything after the documents of a later turn, or after the earlier answer without any."""
        begin: _Pieces = [] if after_documents else [ScaffoldText(self._scaffold.next_user)]
        if notes or after_documents:
            told = notes + _QUESTION
            begin.append(PlainText(told if after_documents else told.lstrip()))
        return self._to_answer(begin, history, question, "", known)

    def _to_answer(
        self,
        begin: _Pieces,
        history: Sequence[Turn],
        question: str,
        answer_start: str,
        known: KnownTexts | None,
    ) -> TokenIds:
        pieces = begin
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
        if answer_start:
            pieces.append(PlainText(answer_start.strip()))
        return self._encoder.encode_prompt(pieces, known)


def rank_hint(names: Sequence[str], order: Sequence[int]) -> str:
    """Names the most relevant documents; "" where their order already shows it.

    `names` is in rank order; `order` has the places in it, in the prompt's order.
    """
    if list(order) == list(range(len(names))):
        return ""
    distinct = list(dict.fromkeys(names))[:_MAX_HINTED]
    return "\n\nMost relevant first: " + "; ".join(distinct) + "."
