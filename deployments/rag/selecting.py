"""Chooses what a question's prompt is made of: retrieves documents, resolves their ids, and fits them in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from deployments.core.agent_spec import AgentSpec
from deployments.core.conversations import Talk, segment_digest
from deployments.core.documents import Passage, Retrieval, SearchQuery
from deployments.core.errors import PromptTooLong
from deployments.core.ids import SegmentKey
from deployments.core.messages import Question, SegmentSource, Turn
from deployments.core.token_ids import TokenIds
from deployments.rag.budget import Budget, kept
from deployments.rag.conversation_plan import Plan
from deployments.rag.ending import Endings
from deployments.rag.length_check import check_length
from deployments.rag.opening import Opener, Opening
from deployments.rag.parts import RagParts
from deployments.rag.prompt import KnownTexts
from deployments.rag.stopwatch import Stopwatch
from deployments.rag.talk import talk_of

CONTEXTS = 4
"""The documents of all turns of a conversation have at most this many times `max_context_tokens` together."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a prompt will be made of, apart from the order of its documents."""

    answerable: bool
    """False where nothing was found to answer from: there is no prompt then."""
    opening: Opening
    """What the prompt begins with."""
    passages: tuple[Passage, ...]
    """Those that were found and are in the prompt, in rank order."""
    added: tuple[Passage, ...]
    """Those of them that the opening does not have, in rank order."""
    keys: tuple[SegmentKey, ...]
    """The segments of `added`."""
    sources: tuple[SegmentSource, ...]
    """Where the ids of `added` came from."""
    documents: tuple[TokenIds, ...]
    """The ids of `added`."""
    dropped: tuple[str, ...]
    """Ids of the documents of which a passage did not fit."""
    fixed_tokens: int
    """An upper bound for the prompt without the documents that it adds."""
    query_tokens: int
    """The question's text alone."""
    cache_error: str | None
    """Why the shared token cache was bypassed; None where it was not."""
    searched_as: str
    """As in `Retrieval`."""
    salt: str
    """The tenant's cache salt."""
    known: KnownTexts
    """Texts of the prompt's end whose ids are known."""

    @property
    def prompt_tokens(self) -> int:
        """An upper bound for the whole prompt."""
        return self.fixed_tokens + sum(map(len, self.documents))

    @property
    def context_tokens(self) -> int:
        """Tokens of all documents in the prompt."""
        return self.opening.document_tokens + sum(map(len, self.documents))

    @property
    def all_sources(self) -> tuple[SegmentSource, ...]:
        """Where the ids of all documents in the prompt came from."""
        return (*self.opening.documents.sources, *self.sources)


@dataclass(frozen=True, slots=True)
class _Found:
    """A question with what was found for it."""

    question: Question
    retrieval: Retrieval
    salt: str
    query_tokens: int
    """As in `Selection`."""
    max_model_len: int
    watch: Stopwatch


class Selector:
    """Selects for one agent's prompts."""

    def __init__(self, spec: AgentSpec, parts: RagParts, opener: Opener, endings: Endings) -> None:
        self._spec = spec
        self._parts = parts
        self._opener = opener
        self._endings = endings

    async def select(
        self, question: Question, max_model_len: int, watch: Stopwatch, talk: Talk | None = None
    ) -> Selection:
        """Retrieves the documents for a question and keeps those that fit.

        `talk` is the conversation that the question continues. If its turns leave too little room, the prompt
        begins again and tells only the last exchanges. Raises PromptTooLong, KnowledgeUnavailable.
        """
        told = (text for turn in question.history for text in (turn.user, turn.assistant))
        texts = (question.text, question.instructions, *told)
        with watch.stage("retrieve"):
            check_length(texts, self._parts.encoder.encode_text, max_model_len)
            retrieval, salt = await self._search_and_salt(question, talk)
        query_tokens = len(self._parts.encoder.encode_text(question.text.strip()))
        found = _Found(question, retrieval, salt, query_tokens, max_model_len, watch)
        if talk is None:
            return await self._fitted(found, self._opener.alone, found.retrieval.passages)
        plan = self._opener.plan(question, talk)
        retold = (text for one in plan.history for text in (one.question, one.answer))
        try:
            with watch.stage("assemble"):
                check_length(retold, self._parts.encoder.encode_text, max_model_len)
            return await self._fitted_after(found, talk, plan, whole=bool(talk.turns))
        except PromptTooLong:
            if not talk.turns:
                raise
        room = max_model_len - question.sampling.max_tokens
        return await self._fitted_after(found, talk, self._opener.shortened(talk, room))

    async def _search_and_salt(self, question: Question, talk: Talk | None) -> tuple[Retrieval, str]:
        """Also has the engine's replicas asked about the tenant, where that is due, while it searches."""

        async def asked() -> str:
            salt = await self._parts.salts.of(question.scope)
            self._parts.placer.views.refresh(salt)
            return salt

        known = self._parts.salts.known(question.scope)
        if known is None:  # this process has not served the tenant for a while
            return await asyncio.gather(self._search(question, talk), asked())
        self._parts.placer.views.refresh(known)
        return await self._search(question, talk), known

    async def _search(self, question: Question, talk: Talk | None) -> Retrieval:
        if question.passages is not None:
            return Retrieval(question.passages, generation=0)
        told = () if talk is None else tuple(Turn(one.question, one.answer) for one in talk.exchanges())
        query = SearchQuery(
            question.scope,
            question.text,
            question.top_k,
            question.section,
            question.only,
            talk_of(question.text, (*told, *question.history)),
            self._spec.further_passages,
        )
        return await self._parts.retriever.search(query)

    async def _fitted_after(self, found: _Found, talk: Talk, plan: Plan, *, whole: bool = False) -> Selection:
        """The selection for a prompt that begins as `plan` says. Adds no document that it has already."""
        passages, placed = found.retrieval.passages, plan.placed
        added = tuple(one for one in passages if segment_digest(one.segment) not in placed)
        with found.watch.stage("tokens"):
            opening = await self._opener.opening(found.question, talk, plan, adds_documents=bool(added))
        selection = await self._fitted(found, opening, added, whole=whole)
        left_out = added[len(selection.added) :]
        return replace(selection, passages=tuple(one for one in passages if one not in left_out))

    async def _fitted(
        self, found: _Found, opening: Opening, added: tuple[Passage, ...], *, whole: bool = False
    ) -> Selection:
        """The selection after an opening, of as many of the passages `added` as fit.

        Raises PromptTooLong if none does; `whole`: also if fewer do than a prompt without earlier turns may
        have.
        """
        question, watch = found.question, found.watch
        with watch.stage("tokens"):
            resolved = await self._parts.resolver.resolve(question.scope, [one.segment for one in added])
        has_documents = bool(added or opening.documents.ids)
        answerable = has_documents or question.passages is not None
        known: KnownTexts = {}
        fixed = count = 0
        with watch.stage("assemble"):
            if answerable or opening.conversed is not None:  # the turn is stored with its ending
                fixed = opening.tokens + len(self._endings.longest(question, opening, added, known))
                sizes = [len(ids) for ids in resolved.ids]
                count = self._count(found, opening, fixed, sizes, whole=whole)
        return Selection(
            answerable=answerable,
            opening=opening,
            passages=added[:count],
            added=added[:count],
            keys=resolved.keys[:count],
            sources=resolved.sources[:count],
            documents=resolved.ids[:count],
            dropped=tuple(dict.fromkeys(passage.doc_id for passage in added[count:])),
            fixed_tokens=fixed,
            query_tokens=found.query_tokens,
            cache_error=resolved.cache_error or opening.documents.cache_error,
            searched_as=found.retrieval.searched_as,
            salt=found.salt,
            known=known,
        )

    def _count(self, found: _Found, opening: Opening, fixed: int, sizes: list[int], *, whole: bool) -> int:
        """How many of the best documents fit."""
        max_context = self._spec.max_context_tokens
        max_added = min(max_context, CONTEXTS * max_context - opening.document_tokens)
        answer = found.question.sampling.max_tokens
        room = Budget(found.max_model_len, max_added, answer, fixed).for_documents
        count = kept(sizes, room)
        if sizes and not count:
            raise PromptTooLong("the question leaves no room for any document", "query")
        if whole and count < kept(sizes, max_context):
            raise PromptTooLong("the conversation leaves no room for the question's documents", "query")
        return count
