"""One agent's conversations: resumes them for a question, and stores the turn when it is answered."""

from __future__ import annotations

import logging
from dataclasses import replace

from deployments.core.conversations import (
    Continuation,
    ConversationDesk,
    Exchange,
    Limit,
    StoredTurn,
    Talk,
    segment_digest,
    sources_of,
)
from deployments.core.errors import Conflict, InternalFault, NotFound, WarmlineError
from deployments.core.ids import CollectionName
from deployments.core.ledger import Answer
from deployments.core.messages import Question
from deployments.core.ports import TextEncoder
from deployments.core.token_ids import from_bytes, to_bytes
from deployments.rag.answering import Generation
from deployments.rag.opening import Conversed
from deployments.rag.preparing import PreparedPrompt
from deployments.rag.shown_ids import shown_ids
from deployments.rag.told_history import tells, told_id

log = logging.getLogger(__name__)


class Conversations:
    """The conversations of the agent `agent`, which answers from `collection`."""

    def __init__(
        self,
        agent: str,
        collection: CollectionName,
        desk: ConversationDesk | None,
        encoder: TextEncoder,
    ) -> None:
        """`desk` stores them; None refuses questions in a conversation."""
        self._agent = agent
        self._collection = collection
        self._desk = desk
        self._encoder = encoder

    async def resumed(self, question: Question) -> tuple[Question, Talk | None]:
        """The conversation that a question belongs to, None if it belongs to none; and the question, without
        a history that the conversation has.

        Raises NotFound, InvalidRequest, Conflict, KnowledgeUnavailable.
        """
        continued = question.continues
        if continued is None:
            return question, None
        if continued.told:
            return await self._told(question, continued)
        if continued.conversation_id is None and continued.previous is None:
            return question, await self._begun(question, continued)
        return question, await self._resumed(question, continued)

    async def keep(
        self, question: Question, prompt: PreparedPrompt, generation: Generation, answer: Answer
    ) -> Answer:
        """Stores the turn of an answered question, if the question belongs to a conversation.

        Returns the answer, which says whether the turn is stored. Raises Conflict (another turn came first),
        NotFound (it was deleted), KnowledgeUnavailable.
        """
        continued, use = question.continues, answer.conversation
        conversed = prompt.selection.opening.conversed
        if continued is None or conversed is None or use is None or not continued.store:
            return answer
        turn = self._turn(question, prompt, generation, answer, conversed=conversed, turn_id=use.turn_id)
        after_last = continued.conversation_id is not None
        try:
            await self._store.add_turn(turn, continued.user_id, after_last, conversed.talk.erasures)
        except WarmlineError as error:
            if not continued.told:
                raise
            log.info("the turn of a chat is not stored: %s", error)
            return replace(answer, conversation=replace(use, stored=False))
        return answer

    async def _told(self, question: Question, continued: Continuation) -> tuple[Question, Talk]:
        """A question with the conversation that its history tells, or with a new one."""
        told = told_id(self._agent, question)
        named = replace(question, continues=replace(continued, turn_id=told))
        if question.history:
            try:
                talk = await self._resumed(question, replace(continued, previous=told))
            except (NotFound, Conflict):
                log.debug("no conversation with the words of a chat is stored")
            else:
                if tells(talk, question.history) and not talk.gone:
                    return replace(named, history=()), talk
                begun = await self._begun(question, continued)
                return named, replace(begun, told_sources=sources_of(talk))
        return named, await self._begun(question, continued)

    async def _begun(self, question: Question, continued: Continuation) -> Talk:
        erasures = await self._store.conversation_erasures(question.scope.tenant)
        return Talk(f"conv_{continued.turn_id.partition('_')[2]}", erasures=erasures)

    async def _resumed(self, question: Question, continued: Continuation) -> Talk:
        limit = Limit(question.section, question.only)
        return await self._store.resume_conversation(
            question.scope.tenant, self._agent, self._collection, continued, limit
        )

    def _turn(
        self,
        question: Question,
        prompt: PreparedPrompt,
        generation: Generation,
        answer: Answer,
        *,
        conversed: Conversed,
        turn_id: str,
    ) -> StoredTurn:
        talk, plan = conversed.talk, conversed.plan
        added = [prompt.selection.added[i].segment for i in prompt.placing.order]
        documents = (*plan.documents, *map(segment_digest, added))
        told = (Exchange(turn.user, turn.assistant) for turn in question.history)
        shown = shown_ids(from_bytes(bytes(generation.ids)), "".join(generation.text), self._encoder)
        return StoredTurn(
            tenant=question.scope.tenant,
            conversation_id=talk.conversation_id,
            turn_id=turn_id,
            follows=plan.kept[-1].turn_id if plan.kept else None,
            previous=talk.previous,
            agent=self._agent,
            question=question.text.strip(),
            answer=answer.text,
            finish_reason=answer.finish_reason,
            documents=documents,
            history=(*plan.history, *told),
            sources=tuple(dict.fromkeys((*talk.told_sources, *plan.sources, *documents))),
            instructions=question.instructions.strip(),
            limited_to=Limit(question.section, question.only).digest(),
            tokenizer=self._encoder.fingerprint,
            asked=to_bytes(prompt.ending),
            answered=to_bytes(shown),
            prompt_tokens=answer.reuse.prompt_tokens,
            cached_tokens=answer.reuse.kv_cached_tokens,
            answer_tokens=answer.answer_tokens,
            note="" if question.continues is None else question.continues.note,
        )

    @property
    def _store(self) -> ConversationDesk:
        if self._desk is None:
            raise InternalFault("this agent has no store of conversations")
        return self._desk
