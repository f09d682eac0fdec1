"""One agent's conversations: resumes them for a question, and stores the turn when it is answered."""

from __future__ import annotations

from deployments.core.conversations import (
    ConversationDesk,
    Exchange,
    Limit,
    StoredTurn,
    Talk,
    segment_digest,
)
from deployments.core.errors import InternalFault
from deployments.core.ids import CollectionName
from deployments.core.ledger import Answer
from deployments.core.messages import Question
from deployments.core.ports import TextEncoder
from deployments.core.token_ids import from_bytes, to_bytes
from deployments.rag.answering import Generation
from deployments.rag.preparing import PreparedPrompt
from deployments.rag.shown_ids import shown_ids


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

    async def resumed(self, question: Question) -> Talk | None:
        """The conversation that a question belongs to; None if it belongs to none.

        Raises NotFound, InvalidRequest, Conflict, KnowledgeUnavailable.
        """
        continued = question.continues
        if continued is None:
            return None
        if continued.conversation_id is None and continued.previous is None:
            erasures = await self._store.conversation_erasures(question.scope.tenant)
            return Talk(f"conv_{continued.turn_id.partition('_')[2]}", erasures=erasures)
        limit = Limit(question.section, question.only)
        return await self._store.resume_conversation(
            question.scope.tenant, self._agent, self._collection, continued, limit
        )

    async def keep(
        self, question: Question, prompt: PreparedPrompt, generation: Generation, answer: Answer
    ) -> None:
        """Stores the turn of an answered question, if the question belongs to a conversation.

        Raises Conflict (another turn came first), NotFound (it was deleted), KnowledgeUnavailable.
        """
        continued, conversed = question.continues, prompt.selection.opening.conversed
        if continued is None or conversed is None or not continued.store:
            return
        talk, plan = conversed.talk, conversed.plan
        added = [prompt.selection.added[i].segment for i in prompt.placing.order]
        documents = (*plan.documents, *map(segment_digest, added))
        told = (Exchange(turn.user, turn.assistant) for turn in question.history)
        shown = shown_ids(from_bytes(bytes(generation.ids)), "".join(generation.text), self._encoder)
        turn = StoredTurn(
            tenant=question.scope.tenant,
            conversation_id=talk.conversation_id,
            turn_id=continued.turn_id,
            follows=plan.kept[-1].turn_id if plan.kept else None,
            previous=talk.previous,
            agent=self._agent,
            question=question.text.strip(),
            answer=answer.text,
            finish_reason=answer.finish_reason,
            documents=documents,
            history=(*plan.history, *told),
            sources=tuple(dict.fromkeys((*plan.sources, *documents))),
            instructions=question.instructions.strip(),
            limited_to=Limit(question.section, question.only).digest(),
            tokenizer=self._encoder.fingerprint,
            asked=to_bytes(prompt.ending),
            answered=to_bytes(shown),
            prompt_tokens=answer.reuse.prompt_tokens,
            cached_tokens=answer.reuse.kv_cached_tokens,
            answer_tokens=answer.answer_tokens,
            note=continued.note,
        )
        after_last = continued.conversation_id is not None
        await self._store.add_turn(turn, continued.user_id, after_last, talk.erasures)

    @property
    def _store(self) -> ConversationDesk:
        if self._desk is None:
            raise InternalFault("this agent has no store of conversations")
        return self._desk
