"""What a prompt begins with, before the documents that its question adds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from deployments.core.conversations import Limit, Talk
from deployments.core.ids import SegmentKey
from deployments.core.messages import Question, ResolvedSegments, Turn
from deployments.core.reuse.paths import Step, ids_segment, segment_id
from deployments.core.token_ids import TokenIds, from_bytes
from deployments.rag.conversation_plan import Plan, plan_of, shortened
from deployments.rag.parts import RagParts
from deployments.rag.prompt import PromptAssembler

_TOLD_AGAIN = 4
"""Of a conversation that has become too long, the prompt tells again what fits into this part of its room: a
fourth, so that many turns can follow before it is too long again."""

_Piece: TypeAlias = tuple[Step, TokenIds]
_NO_DOCUMENTS = ResolvedSegments((), (), ())


@dataclass(frozen=True, slots=True)
class Conversed:
    """The conversation that a prompt belongs to."""

    talk: Talk
    plan: Plan
    turn_tokens: tuple[int, ...]
    """As in `ConversationUse`."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The beginning of a prompt: the preamble and, in a conversation, what stays of earlier turns."""

    steps: tuple[Step, ...]
    ids: tuple[TokenIds, ...]
    """Of each step."""
    documents: ResolvedSegments = _NO_DOCUMENTS
    """The documents in it."""
    history: tuple[Turn, ...] = ()
    """Turns of the conversation that the prompt tells again, after its documents."""
    conversed: Conversed | None = None
    """None for a question without a conversation."""

    @property
    def tokens(self) -> int:
        """Its length."""
        return sum(step.tokens for step in self.steps)

    @property
    def document_tokens(self) -> int:
        """Tokens of the documents in it."""
        return sum(map(len, self.documents.ids))

    @property
    def is_later_turn(self) -> bool:
        """Whether an earlier answer comes before the question's own documents."""
        return self.conversed is not None and bool(self.conversed.plan.kept)

    @property
    def ends_in_document(self) -> bool:
        """Whether documents stay of the turn that the question begins again."""
        return self.conversed is not None and bool(self.conversed.plan.documents)


class Opener:
    """Makes the openings of one agent's prompts. `alone` is that of a question without a conversation."""

    def __init__(self, parts: RagParts, assembler: PromptAssembler) -> None:
        self._parts = parts
        self._assembler = assembler
        self._head = _piece(assembler.head)
        self.alone = _opening([self._head])

    def plan(self, question: Question, talk: Talk) -> Plan:
        """What stays of a conversation."""
        limit = Limit(question.section, question.only)
        tokenizer = self._parts.encoder.fingerprint
        return plan_of(talk, question.instructions.strip(), limit.digest(), tokenizer)

    def shortened(self, talk: Talk, room: int) -> Plan:
        """What is told again of a conversation that is too long for a prompt of `room` tokens."""
        encode = self._parts.encoder.encode_text
        return shortened(talk, room // _TOLD_AGAIN, lambda text: len(encode(text)))

    async def opening(self, question: Question, talk: Talk, plan: Plan, *, adds_documents: bool) -> Opening:
        """The opening that a plan describes. `adds_documents`: documents of the question will follow it."""
        digests = [digest for turn in plan.kept for digest in turn.documents]
        texts = [talk.texts[digest] for digest in (*digests, *plan.documents)]
        documents = await self._parts.resolver.resolve(question.scope, texts)
        left = zip(documents.keys, documents.ids, strict=True)
        pieces: list[_Piece] = []
        turn_tokens: list[int] = []
        for turn in plan.kept:
            pieces_of_turn = [
                *self._begin(bool(turn_tokens), bool(turn.documents)),
                *_documents(islice(left, len(turn.documents))),
                _piece(from_bytes(turn.asked)),
                _piece(from_bytes(turn.answered)),
            ]
            pieces += pieces_of_turn
            turn_tokens.append(sum(step.tokens for step, _ in pieces_of_turn))
        pieces += self._begin(bool(plan.kept), bool(plan.documents) or adds_documents)
        pieces += _documents(left)
        history = tuple(Turn(told.question, told.answer) for told in plan.history)
        return _opening(pieces, documents, history, Conversed(talk, plan, tuple(turn_tokens)))

    def _begin(self, later: bool, has_documents: bool) -> list[_Piece]:
        """What comes before a turn's documents; without any, a later turn's question says it itself."""
        if not later:
            return [self._head]
        return [_piece(self._assembler.further)] if has_documents else []


def _opening(
    pieces: list[_Piece],
    documents: ResolvedSegments = _NO_DOCUMENTS,
    history: tuple[Turn, ...] = (),
    conversed: Conversed | None = None,
) -> Opening:
    steps, ids = zip(*pieces, strict=True)
    return Opening(steps, ids, documents, history, conversed)


def _piece(ids: TokenIds) -> _Piece:
    return Step(ids_segment(ids), len(ids)), ids


def _documents(found: Iterator[tuple[SegmentKey, TokenIds]]) -> list[_Piece]:
    return [(Step(segment_id(key), len(ids)), ids) for key, ids in found]
