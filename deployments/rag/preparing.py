"""Makes the ids of a question's prompt: retrieves, resolves, fits, orders and joins."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from deployments.core.agent_spec import AgentSpec
from deployments.core.documents import Passage, Retrieval, SearchQuery
from deployments.core.errors import PromptTooLong
from deployments.core.ids import SegmentKey
from deployments.core.messages import Question, SegmentSource
from deployments.core.reuse.misses import Absence
from deployments.core.reuse.ordering import Candidate
from deployments.core.reuse.paths import SegmentId, Step, ids_segment, pack_steps, segment_id
from deployments.core.reuse.placing import Placing
from deployments.core.token_ids import TokenIds, token_ids
from deployments.rag.budget import Budget, kept
from deployments.rag.known_versions import KnownVersions
from deployments.rag.length_check import check_length
from deployments.rag.parts import RagParts
from deployments.rag.prompt import PromptAssembler, PromptTail, rank_hint
from deployments.rag.stopwatch import Stopwatch
from deployments.rag.talk import talk_of


@dataclass(frozen=True, slots=True)
class Selection:
    """What a prompt will be made of, apart from the order of its documents."""

    answerable: bool
    """False where nothing was found to answer from: there is no prompt then."""
    passages: tuple[Passage, ...]
    """Those that fit, in rank order."""
    keys: tuple[SegmentKey, ...]
    """The passages' segments, in rank order."""
    sources: tuple[SegmentSource, ...]
    """Where the segments' ids came from, in rank order."""
    documents: tuple[TokenIds, ...]
    """The segments' ids, in rank order."""
    dropped: tuple[str, ...]
    """Ids of the documents of which a passage did not fit."""
    tail: PromptTail
    """What follows the documents."""
    fixed_tokens: int
    """An upper bound for the prompt without its documents."""
    query_tokens: int
    """The question's text alone."""
    cache_error: str | None
    """Why the shared token cache was bypassed; None where it was not."""
    searched_as: str
    """As in `Retrieval`."""
    salt: str
    """The tenant's cache salt."""

    @property
    def context_tokens(self) -> int:
        """Tokens of all documents."""
        return sum(map(len, self.documents))


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
    """Its documents' segments, in the prompt's order."""
    head_tokens: int = 0
    """Tokens before the first document."""
    absences: tuple[Absence | None, ...] = ()
    """For each document, in the prompt's order, why the chosen replica lacks it; None if it has it."""


class PromptPreparer:
    """Prepares one agent's prompts."""

    def __init__(self, spec: AgentSpec, parts: RagParts) -> None:
        self._spec = spec
        self._parts = parts
        self._assembler = PromptAssembler(parts.encoder, parts.scaffold, spec.preamble)
        self._head = Step(ids_segment(self._assembler.head), len(self._assembler.head))
        self._versions = KnownVersions()

    async def select(self, question: Question, max_model_len: int, watch: Stopwatch) -> Selection:
        """Retrieves the documents for a question and keeps those that fit.

        Raises PromptTooLong, KnowledgeUnavailable.
        """
        with watch.stage("retrieve"):
            encode = self._parts.encoder.encode_text
            turns = (text for turn in question.history for text in (turn.user, turn.assistant))
            check_length((question.text, question.instructions, *turns), encode, max_model_len)
            query_tokens = len(encode(question.text.strip()))
            found, salt = await self._found_and_salt(question)
        passages = found.passages
        with watch.stage("tokens"):
            segments = [passage.segment for passage in passages]
            resolved = await self._parts.resolver.resolve(question.scope, segments)
        answerable = bool(passages) or question.passages is not None
        with watch.stage("assemble"):
            tail = self._assembler.tail(question.history, question.text, question.answer_start)
            fixed = count = 0
            if answerable:
                sizes = [len(ids) for ids in resolved.ids]
                fixed, count = self._fitting(question, tail, passages, sizes, max_model_len)
        return Selection(
            answerable=answerable,
            passages=passages[:count],
            keys=resolved.keys[:count],
            sources=resolved.sources[:count],
            documents=resolved.ids[:count],
            dropped=tuple(dict.fromkeys(passage.doc_id for passage in passages[count:])),
            tail=tail,
            fixed_tokens=fixed,
            query_tokens=query_tokens,
            cache_error=resolved.cache_error,
            searched_as=found.searched_as,
            salt=salt,
        )

    async def place_and_join(
        self, question: Question, selection: Selection, watch: Stopwatch
    ) -> PreparedPrompt:
        """The prompt, with its documents in the order that suits the replicas' caches, as known now."""
        if not selection.answerable:
            return PreparedPrompt(token_ids(), selection, Placing([]), b"", ())
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
        prompt_tokens = selection.fixed_tokens + selection.context_tokens
        return await self._parts.placer.place(selection.salt, self._head.segment, candidates, prompt_tokens)

    def _joined(self, question: Question, selection: Selection, placing: Placing) -> PreparedPrompt:
        order = placing.order
        before = self._before_question(question, selection.passages, order)
        documents = [selection.documents[i] for i in order]
        path = tuple(selection.keys[i] for i in order)
        steps = [Step(segment_id(key), len(ids)) for key, ids in zip(path, documents, strict=True)]
        return PreparedPrompt(
            ids=self._assembler.join(documents, selection.tail.after(before)),
            selection=selection,
            placing=placing,
            layout=pack_steps([self._head, *steps]),
            path=path,
            head_tokens=self._head.tokens,
            absences=self._absences(question, selection, placing, [step.segment for step in steps]),
        )

    def _absences(
        self, question: Question, selection: Selection, placing: Placing, path: Sequence[SegmentId]
    ) -> tuple[Absence | None, ...]:
        scope, passages = question.scope, selection.passages
        absences = self._parts.placer.foresee(
            selection.salt,
            placing,
            path,
            lambda index: self._versions.changed(scope, passages[placing.order[index]]),
        )
        self._versions.note(scope, passages)
        return absences

    async def _found_and_salt(self, question: Question) -> tuple[Retrieval, str]:
        """Also has the engine's replicas asked about the tenant, where that is due, while it searches."""

        async def asked() -> str:
            salt = await self._parts.salts.of(question.scope)
            self._parts.placer.views.refresh(salt)
            return salt

        known = self._parts.salts.known(question.scope)
        if known is None:  # this process has not served the tenant for a while
            return await asyncio.gather(self._found(question), asked())
        self._parts.placer.views.refresh(known)
        return await self._found(question), known

    async def _found(self, question: Question) -> Retrieval:
        if question.passages is not None:
            return Retrieval(question.passages, generation=0)
        query = SearchQuery(
            question.scope,
            question.text,
            question.top_k,
            question.section,
            question.only,
            talk_of(question.text, question.history),
            self._spec.further_passages,
        )
        return await self._parts.retriever.search(query)

    def _fitting(
        self,
        question: Question,
        tail: PromptTail,
        passages: Sequence[Passage],
        sizes: Sequence[int],
        max_model_len: int,
    ) -> tuple[int, int]:
        """The most tokens that the prompt has without its documents, and how many passages fit.

        `sizes` are the passages' tokens. Raises PromptTooLong.
        """

        def fitting(these: Sequence[Passage]) -> tuple[int, int]:
            # The longest hint: it depends on the order, which is not known yet.
            longest = self._before_question(question, these, range(len(these))[::-1])
            fixed = len(self._assembler.head) + len(tail.after(longest))
            answer_tokens = question.sampling.max_tokens
            budget = Budget(max_model_len, self._spec.max_context_tokens, answer_tokens, fixed)
            return fixed, kept(sizes, budget.for_documents)

        fixed, count = fitting(passages)
        if count and self._doubt(passages[:count]) != self._doubt(passages):  # it takes room itself
            fixed, count = fitting(passages[:count])
        if sizes and not count:
            raise PromptTooLong("the question leaves no room for any document", "query")
        return fixed, count

    def _before_question(self, question: Question, passages: Sequence[Passage], order: Sequence[int]) -> str:
        """What stands between the documents and the user's turn."""
        hint = rank_hint([passage.title for passage in passages], order) if self._parts.rank_hint else ""
        texts = (self._spec.reminder, self._doubt(passages), question.instructions.strip())
        return hint + "".join(f"\n\n{text}" for text in texts if text)

    def _doubt(self, passages: Sequence[Passage]) -> str:
        return "" if is_sure(passages, self._spec.sure_from) else self._spec.doubt


def is_sure(passages: Sequence[Passage], sure_from: float) -> bool:
    """Whether a passage's similarity reaches `sure_from`. True where no similarity is known."""
    known = [passage.similarity for passage in passages if passage.similarity is not None]
    return not known or max(known) >= sure_from
