"""Makes the ids of a prompt from what was selected for it: orders the documents and joins the pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.core.ids import SegmentKey
from deployments.core.messages import Question
from deployments.core.reuse.misses import Absence
from deployments.core.reuse.ordering import Candidate
from deployments.core.reuse.paths import Step, ids_segment, pack_steps, segment_id
from deployments.core.reuse.placing import Placing
from deployments.core.token_ids import TokenIds, join, token_ids
from deployments.rag.ending import Endings
from deployments.rag.parts import RagParts
from deployments.rag.selecting import Selection
from deployments.rag.stopwatch import Stopwatch
from deployments.rag.used_passages import UsedPassages


@dataclass(frozen=True, slots=True)
class PreparedPrompt:
    """A prompt's ids and what they were made of."""

    ids: TokenIds
    """Empty where nothing was found to answer from."""
    selection: Selection
    placing: Placing
    layout: bytes
    """The segments that the prompt begins with (`paths.pack_steps`)."""
    path: tuple[SegmentKey, ...]
    """Its documents' segments, in the prompt's order; () in a later turn of a conversation."""
    ending: TokenIds
    """What follows the documents. In a conversation there is one also where `ids` is empty."""
    absences: tuple[Absence | None, ...] = ()
    """For each document that the question adds, in the prompt's order, why the chosen replica lacks it; None
    if it has it."""


class PromptPreparer:
    """Prepares one agent's prompts."""

    def __init__(self, parts: RagParts, endings: Endings) -> None:
        self._parts = parts
        self._endings = endings
        self._used = UsedPassages()

    async def place_and_join(
        self, question: Question, selection: Selection, watch: Stopwatch
    ) -> PreparedPrompt:
        """The prompt, with its documents in the order that suits the replicas' caches, as known now."""
        if not selection.answerable:
            ending = self._ending(question, selection, ()) if selection.opening.conversed else token_ids()
            return PreparedPrompt(token_ids(), selection, Placing([]), b"", (), ending)
        with watch.stage("route"):
            placing = await self._placed(question, selection)
        with watch.stage("assemble"):
            return self._joined(question, selection, placing)

    async def _placed(self, question: Question, selection: Selection) -> Placing:
        uses = self._parts.counts.uses(question.scope, selection.keys)
        candidates = [
            Candidate(key, len(ids), used)
            for key, ids, used in zip(selection.keys, selection.documents, uses, strict=True)
        ]
        head, *begin = (step.segment for step in selection.opening.steps)
        return await self._parts.placer.place(
            selection.salt, head, candidates, selection.prompt_tokens, begin
        )

    def _joined(self, question: Question, selection: Selection, placing: Placing) -> PreparedPrompt:
        order, opening = placing.order, selection.opening
        ending = self._ending(question, selection, order)
        documents = [selection.documents[i] for i in order]
        keys = tuple(selection.keys[i] for i in order)
        steps = [Step(segment_id(key), len(ids)) for key, ids in zip(keys, documents, strict=True)]
        if opening.conversed is not None:  # the next turn's prompt has it too
            steps.append(Step(ids_segment(ending), len(ending)))
        return PreparedPrompt(
            ids=join([*opening.ids, *documents, ending]),
            selection=selection,
            placing=placing,
            layout=pack_steps([*opening.steps, *steps]),
            path=() if opening.is_later_turn else (*opening.documents.keys, *keys),
            ending=ending,
            absences=self._absences(question, selection, placing),
        )

    def answered(self, question: Question, prompt: PreparedPrompt) -> None:
        """Notes which passages an answered question used."""
        self._used.note(question.scope, prompt.selection.added)

    def _absences(
        self, question: Question, selection: Selection, placing: Placing
    ) -> tuple[Absence | None, ...]:
        scope, added = question.scope, [selection.added[i] for i in placing.order]
        path = [segment_id(selection.keys[i]) for i in placing.order]
        return self._parts.placer.foresee(
            selection.salt, placing, path, lambda index: self._used.changed(scope, added[index])
        )

    def _ending(self, question: Question, selection: Selection, order: Sequence[int]) -> TokenIds:
        return self._endings.ending(
            question, selection.opening, selection.passages, selection.added, order, known=selection.known
        )
