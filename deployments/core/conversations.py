"""Conversations that the server keeps: what is stored of each turn, and the interface to the store.

A turn is stored once; only `previous` changes. `StoredTurn.follows` names the turn whose prompt and answer
the turn's prompt begins with, token for token. Following these names back gives the whole prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

from deployments.core.document_labels import EVERY_DOCUMENT, DocumentFilter
from deployments.core.ids import CollectionName, Fingerprint, Scope, TenantId
from deployments.core.replica import repeatable

KEPT_S = 30 * 24 * 3600.0
"""A conversation is deleted this long after its last turn."""
MAX_TURNS = 500
"""Turns of one conversation, branches included."""
MAX_CONVERSATIONS = 100_000
"""Conversations of one tenant. Beyond it, those that were used the longest ago are deleted."""
MAX_CONVERSATION_BYTES = 2**30
"""Bytes of all conversations of one tenant. Beyond it, those that were used the longest ago are deleted."""


def segment_digest(segment: str) -> str:
    """sha256 of a segment's text, hex: how turns refer to documents. No tokenizer changes it."""
    return sha256(segment.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Continuation:
    """Which conversation a question continues, and how its turn is stored.

    With neither `conversation_id` nor `previous`, the turn begins a conversation.
    """

    turn_id: str
    """The id of the new turn. No other turn has it."""
    conversation_id: str | None = None
    """Continue this conversation after its last turn."""
    previous: str | None = None
    """Continue after the turn with this id, which need not be the last one."""
    store: bool = True
    """False: the turn is answered but not stored."""
    user_id: str | None = None
    """Whose conversation it is, if the turn begins one."""
    note: str = ""
    """Text that is stored with the turn and given back; its meaning is the caller's."""
    told: bool = False
    """The conversation is the one whose words the question's history tells, if it is stored; otherwise a new
    one begins. The turn's id then is not `turn_id`, but a digest of these words, the question and the answer.
    A turn that can't be stored is answered all the same."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Which documents a question may be answered from."""

    section: str | None = None
    """Only documents of this section."""
    only: DocumentFilter = EVERY_DOCUMENT
    """Only these documents."""

    def digest(self) -> str:
        """Equal only for equal limits; "" for none."""
        if self.section is None and not self.only:
            return ""
        return sha256(f"{self.section!r} {self.only.canonical()}".encode()).hexdigest()


NO_LIMIT = Limit()


@dataclass(frozen=True, slots=True)
class StoredConversation:
    """A conversation, without its turns."""

    tenant: TenantId
    conversation_id: str
    user_id: str | None
    """Whose it is; None if nobody said."""
    metadata: Mapping[str, str]
    """The caller's own labels."""
    created_at_s: float
    """Unix seconds."""
    last_turn: str | None = None
    """Id of the turn that was added last; None before the first."""
    turns: int = 0
    """Number of its turns."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer as text: in a prompt, the words of a turn that lost its place."""

    question: str
    answer: str
    """"" if a document that the answer was given from has changed since."""
    sources: tuple[str, ...] = ()
    """Digests of the segments that the answer may repeat; () if a caller sent the exchange. In a turn's
    `history`, those that an earlier exchange has are left out."""


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """One turn. Its prompt is the prompt and answer of `follows`, then its documents, then `asked`."""

    tenant: TenantId
    conversation_id: str
    turn_id: str
    follows: str | None
    """The turn before it in the prompt; None if the prompt begins with this turn."""
    previous: str | None
    """The turn that the question continued, or the one before that if it was deleted; None without any."""
    agent: str
    question: str
    answer: str
    """As the caller read it."""
    finish_reason: str
    documents: tuple[str, ...]
    """Digests of the segments that the turn added, in their order in the prompt."""
    history: tuple[Exchange, ...]
    """Earlier exchanges that the prompt has as text, between its documents and its question."""
    sources: tuple[str, ...]
    """Digests of all segments that the answer may repeat: those in its prompt, and those that the earlier
    answers in its prompt may repeat, whether or not their turns are still stored."""
    instructions: str
    """The caller's own instructions that applied."""
    limited_to: str
    """Digest of the question's `Limit`; "" without one."""
    tokenizer: Fingerprint
    """The tokenizer of the ids."""
    asked: bytes
    """Ids from the end of the documents to the beginning of the answer, little-endian and 32 bits each."""
    answered: bytes
    """Ids of the answer without the end of the turn, in the same form."""
    prompt_tokens: int
    cached_tokens: int
    """Prompt tokens that were in the engine's KV cache."""
    answer_tokens: int
    note: str
    """`Continuation.note`."""
    created_at_s: float = 0.0
    """Unix seconds; the store sets it when the turn is added."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation as the next question finds it."""

    conversation_id: str
    previous: str | None = None
    """The turn that the question continues; None for the first one."""
    turns: tuple[StoredTurn, ...] = ()
    """Those that the prompt of `previous` consists of, oldest first, and `previous` itself."""
    complete: bool = True
    """False if a turn before the first of `turns` was deleted."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """The text of each segment of the turns' documents that a document has now which the next question may
    be answered from."""
    gone: frozenset[str] = frozenset()
    """Digests, of documents and sources of the turns, of segments that no such document has any more."""

    erasures: int = 0
    """How many erasures of the tenant had begun to delete conversations."""
    told_sources: tuple[str, ...] = ()
    """Digests of the segments that a history may repeat which the caller tells in place of turns."""

    def exchanges(self) -> list[Exchange]:
        """All questions and answers in the turns, oldest first."""
        return [exchange for turn in self.turns for exchange in exchanges_of(turn)]


def sources_of(talk: Talk) -> tuple[str, ...]:
    """Digests of all segments that the words of a conversation may repeat."""
    told = (exchange.sources for exchange in talk.exchanges())
    return tuple(dict.fromkeys(source for sources in told for source in sources))


def exchanges_of(turn: StoredTurn) -> tuple[Exchange, ...]:
    """A turn as text: the exchanges that its prompt told again, then its own."""
    return (*turn.history, Exchange(turn.question, turn.answer, turn.sources))


class CurrentSegments(Protocol):
    """Which segments are current, for conversations. Raises KnowledgeUnavailable."""

    async def current_segments(
        self, scope: Scope, digests: Sequence[str], limit: Limit = NO_LIMIT
    ) -> dict[str, str]:
        """The texts, by digest, of segments that a document of the collection within the limit has now."""


class ConversationDesk(Protocol):
    """The stored conversations. Calls return after the change is stored.

    All methods raise KnowledgeUnavailable, and NotFound for a conversation or turn that does not exist, is
    another tenant's, or has expired.
    """

    async def create_conversation(
        self, tenant: TenantId, user_id: str | None, metadata: Mapping[str, str]
    ) -> StoredConversation:
        """Begins a conversation without turns."""

    @repeatable
    async def conversation(self, tenant: TenantId, conversation_id: str) -> StoredConversation:
        """A conversation."""

    async def delete_conversation(self, tenant: TenantId, conversation_id: str) -> None:
        """Deletes a conversation with all its turns."""

    @repeatable
    async def conversation_turn(self, tenant: TenantId, turn_id: str) -> StoredTurn:
        """A turn."""

    async def delete_turn(self, tenant: TenantId, turn_id: str) -> None:
        """Deletes a turn. Turns that quote it in their `history` keep what they quote."""

    @repeatable
    async def conversation_erasures(self, tenant: TenantId) -> int:
        """`Talk.erasures` for a question that begins a conversation."""

    @repeatable
    async def resume_conversation(
        self,
        tenant: TenantId,
        agent: str,
        collection: CollectionName,
        continued: Continuation,
        limit: Limit = NO_LIMIT,
    ) -> Talk:
        """What the next question's prompt is made of. `limit` is the question's.

        Raises InvalidRequest (the conversation is with another agent) and Conflict (it has `MAX_TURNS`).
        """

    async def add_turn(
        self, turn: StoredTurn, user_id: str | None, after_last: bool, erasures: int = 0
    ) -> None:
        """Stores a turn, and its conversation if the turn begins one, whose user is `user_id` then.

        `erasures`: `Talk.erasures` from before the question's search. Raises Conflict if there are more now:
        the answer may tell what was erased.
        `after_last`: only if `turn.previous` is still the conversation's last turn. Raises Conflict if it
        is not, or if there is a turn with the same id.
        """
