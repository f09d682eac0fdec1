"""Plans what a conversation's next prompt begins with: which turns stay as they are, and what is told again.

A prompt that begins with an earlier prompt and its answer, token for token, reuses the KV blocks of both. So
turns stay where they are as long as they are true. The first thing that changed cuts the sequence: what
stands before it stays, what follows is told again, as text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from deployments.core.conversations import Exchange, StoredTurn, Talk, exchanges_of
from deployments.core.ids import Fingerprint


@dataclass(frozen=True, slots=True)
class Plan:
    """What the next prompt begins with."""

    kept: tuple[StoredTurn, ...] = ()
    """Turns that stay as they are, with their answers."""
    documents: tuple[str, ...] = ()
    """Digests of further documents that stay: the first ones of the turn after those."""
    history: tuple[Exchange, ...] = ()
    """Exchanges that are told again, after the documents of the new turn."""
    stale: int = 0
    """Answers that are left out because a document that they were given from has changed."""
    dropped: int = 0
    """Exchanges that are left out because there is no room for them."""

    @property
    def placed(self) -> frozenset[str]:
        """Digests of all documents that stay."""
        return frozenset(self.documents).union(*(turn.documents for turn in self.kept))

    @property
    def sources(self) -> tuple[str, ...]:
        """Digests of all segments that the prompt's answer may repeat, apart from documents that it adds."""
        before = self.kept[-1].sources if self.kept else ()  # has those of the turns before it
        told = (source for exchange in self.history for source in exchange.sources)
        return tuple(dict.fromkeys((*before, *self.documents, *told)))


def plan_of(talk: Talk, instructions: str, limited_to: str, tokenizer: Fingerprint) -> Plan:
    """Keeps what is still true: as many turns as possible, then documents of the next one.

    A turn is cut at its first document that has changed, or before its documents if they were searched
    for under another limit (`limited_to`). It is cut after its documents if its answer, or one that it
    tells again, has become stale, or if its question was asked under other instructions or encoded by
    another tokenizer. An answer is stale if a document that it may repeat has changed; later ones are too.
    """
    if not talk.complete:
        return _cut(talk, 0, 0)
    for number, turn in enumerate(talk.turns):
        kept = _kept_documents(talk, turn, limited_to)
        same = (turn.instructions, turn.tokenizer) == (instructions, tokenizer)
        if kept < len(turn.documents) or not same or not talk.gone.isdisjoint(turn.sources):
            return _cut(talk, number, kept)
    return Plan(kept=talk.turns)


def shortened(talk: Talk, room: int, tokens_of: Callable[[str], int]) -> Plan:
    """Begins again when the prompt has become too long: no turn stays, and only the last exchanges are told.

    These are as many as fit into `room` tokens. `tokens_of` counts the tokens of a text.
    """
    whole = _cut(talk, 0, 0)
    told = list[Exchange]()
    for exchange in reversed(whole.history):
        room -= tokens_of(exchange.question) + tokens_of(exchange.answer)
        if room < 0:
            break
        told.insert(0, exchange)
    dropped = len(whole.history) - len(told)
    _carry(whole.history[:dropped], told)
    return replace(whole, history=tuple(told), dropped=dropped)


def _carry(dropped: Sequence[Exchange], told: list[Exchange]) -> None:
    """Adds the sources of dropped exchanges to the first answer after them: it may repeat them too."""
    sources = tuple(source for exchange in dropped for source in exchange.sources)
    for at, exchange in enumerate(told):
        if exchange.answer:
            told[at] = replace(exchange, sources=(*sources, *exchange.sources))
            return


def _kept_documents(talk: Talk, turn: StoredTurn, limited_to: str) -> int:
    """How many of a turn's leading documents stay."""
    if turn.limited_to != limited_to:
        return 0
    changed = (at for at, digest in enumerate(turn.documents) if digest in talk.gone)
    return next(changed, len(turn.documents))


def _cut(talk: Talk, number: int, documents: int) -> Plan:
    """Keeps the first `number` turns, and as many `documents` of the next one."""
    kept, told = talk.turns[:number], talk.turns[number:]
    history, stale = _without_stale([one for turn in told for one in exchanges_of(turn)], talk.gone)
    return Plan(kept, told[0].documents[:documents] if told else (), history, stale)


def _without_stale(told: Sequence[Exchange], gone: frozenset[str]) -> tuple[tuple[Exchange, ...], int]:
    """The exchanges without the answers that are stale, and how many those are. Each source is named once."""
    found = list[Exchange]()
    named = set[str]()
    stale, is_stale = 0, False
    for exchange in told:
        is_stale = is_stale or not gone.isdisjoint(exchange.sources)
        stale += is_stale and exchange.answer != ""
        sources = () if is_stale else tuple(one for one in exchange.sources if one not in named)
        named.update(sources)
        found.append(replace(exchange, answer="" if is_stale else exchange.answer, sources=sources))
    return tuple(found), stale
