"""What a prompt ends with, after its documents: notes, earlier turns that it tells, and the question."""

from __future__ import annotations

from collections.abc import Sequence

from deployments.core.agent_spec import AgentSpec
from deployments.core.documents import Passage
from deployments.core.messages import Question
from deployments.core.token_ids import TokenIds
from deployments.rag.opening import Opening
from deployments.rag.prompt import KnownTexts, PromptAssembler, rank_hint


class Endings:
    """Makes the endings of one agent's prompts."""

    def __init__(self, spec: AgentSpec, assembler: PromptAssembler, *, hints: bool) -> None:
        """`hints`: a prompt names its most relevant documents where their order does not show it."""
        self._spec = spec
        self._assembler = assembler
        self._hints = hints

    def longest(
        self, question: Question, opening: Opening, added: Sequence[Passage], known: KnownTexts
    ) -> TokenIds:
        """The longest ending that the prompt can get, before documents are dropped and ordered."""
        order = range(len(added))[::-1]
        return self._ending(question, opening, added, order, doubt=self._spec.doubt, known=known)

    def ending(
        self,
        question: Question,
        opening: Opening,
        passages: Sequence[Passage],
        added: Sequence[Passage],
        order: Sequence[int],
        *,
        known: KnownTexts,
    ) -> TokenIds:
        """The ending of a prompt. `passages` are in rank order, and so are those of them that it adds to the
        opening; `order` has the places of the latter in it.
        """
        doubt = "" if is_sure(passages, self._spec.sure_from) else self._spec.doubt
        return self._ending(question, opening, added, order, doubt=doubt, known=known)

    def _ending(
        self,
        question: Question,
        opening: Opening,
        added: Sequence[Passage],
        order: Sequence[int],
        *,
        doubt: str,
        known: KnownTexts,
    ) -> TokenIds:
        history = (*opening.history, *question.history)
        if opening.is_later_turn:
            after = bool(added) or opening.ends_in_document
            notes = notes_of("", self._spec.reminder if after else "", doubt)
            return self._assembler.later_tail(
                notes, history, question.text, after_documents=after, known=known
            )
        hint = rank_hint([passage.title for passage in added], order) if self._hints else ""
        notes = notes_of(hint, self._spec.reminder, doubt, question.instructions.strip())
        return self._assembler.tail(notes, history, question.text, question.answer_start, known)


def notes_of(hint: str, *texts: str) -> str:
    """What a prompt says between its documents and the question: each text is a paragraph."""
    return hint + "".join(f"\n\n{text}" for text in texts if text)


def is_sure(passages: Sequence[Passage], sure_from: float) -> bool:
    """Whether a passage's similarity reaches `sure_from`. True where no similarity is known."""
    known = [passage.similarity for passage in passages if passage.similarity is not None]
    return not known or max(known) >= sure_from
