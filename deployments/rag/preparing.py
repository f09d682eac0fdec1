"""Makes the ids of a question's prompt: retrieves, resolves, fits, orders and joins."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from deployments.core.agent_spec import AgentSpec
from deployments.core.documents import Passage, Retrieval, SearchQuery
from deployments.core.errors import PromptTooLong
from deployments.core.ids import SegmentKey
from deployments.core.messages import Question, ResolvedSegments, SegmentSource
from deployments.core.reuse.misses import Absence
from deployments.core.reuse.ordering import Candidate
from deployments.core.reuse.paths import SegmentId, Step, ids_segment, pack_steps, segment_id
from deployments.core.reuse.placing import Placing
from deployments.core.token_ids import TokenIds, token_ids
from deployments.rag.budget import Budget, kept
from deployments.rag.known_versions import KnownVersions
from deployments.rag.parts import RagParts
from deployments.rag.prompt import PromptAssembler, rank_hint
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
            query_tokens = len(self._parts.encoder.encode_text(question.text.strip()))
            found, salt = await self._found_and_salt(question)
        passages = found.passages
        with watch.stage("tokens"):
            segments = [passage.segment for passage in passages]
            resolved = await self._parts.resolver.resolve(question.scope, segments)
        answerable = bool(passages) or question.passages is not None
        with watch.stage("assemble"):
            fixed = self._fixed_tokens(question, passages) if answerable else 0
            count = self._fitting(question, resolved, fixed, max_model_len) if answerable else 0
        return Selection(
            answerable=answerable,
            passages=passages[:count],
            keys=resolved.keys[:count],
            sources=resolved.sources[:count],
            documents=resolved.ids[:count],
            dropped=tuple(dict.fromkeys(passage.doc_id for passage in passages[count:])),
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
        doubt = "" if is_sure(selection.passages, self._spec.sure_from) else self._spec.doubt
        tail = self._tail(self._hint(selection.passages, order), doubt, question)
        documents = [selection.documents[i] for i in order]
        path = tuple(selection.keys[i] for i in order)
        steps = [Step(segment_id(key), len(ids)) for key, ids in zip(path, documents, strict=True)]
        return PreparedPrompt(
            ids=self._assembler.join(documents, tail),
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

    def _fixed_tokens(self, question: Question, passages: Sequence[Passage]) -> int:
        # Counts the longest tail: hint and doubt depend on which documents fit, which is not known yet.
        hint = self._hint(passages, range(len(passages))[::-1]) if len(passages) > 1 else ""
        return len(self._assembler.head) + len(self._tail(hint, self._spec.doubt, question))

    def _hint(self, passages: Sequence[Passage], order: Sequence[int]) -> str:
        return rank_hint(_names(passages), order) if self._parts.rank_hint else ""

    def _fitting(
        self, question: Question, resolved: ResolvedSegments, fixed_tokens: int, max_model_len: int
    ) -> int:
        budget = Budget(
            max_model_len, self._spec.max_context_tokens, question.sampling.max_tokens, fixed_tokens
        )
        count = kept([len(ids) for ids in resolved.ids], budget.for_documents)
        if resolved.ids and not count:
            raise PromptTooLong("the question leaves no room for any document", "query")
        return count

    def _tail(self, hint: str, doubt: str, question: Question) -> TokenIds:
        texts = (self._spec.reminder, doubt, question.instructions.strip())
        volatile = hint + "".join(f"\n\n{text}" for text in texts if text)
        return self._assembler.tail(volatile, question.history, question.text, question.answer_start)


def is_sure(passages: Sequence[Passage], sure_from: float) -> bool:
    """Whether a passage's similarity reaches `sure_from`. True where no similarity is known."""
    known = [passage.similarity for passage in passages if passage.similarity is not None]
    return not known or max(known) >= sure_from


def _names(passages: Sequence[Passage]) -> list[str]:
    return [passage.title for passage in passages]
