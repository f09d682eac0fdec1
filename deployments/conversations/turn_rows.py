"""Rows of turns: reading one, the chain of those that a prompt consists of, and writing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import insert, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.conversations.tables import turns
from deployments.core.conversations import MAX_TURNS, Exchange, StoredTurn
from deployments.core.ids import TenantId
from deployments.database.metadata import AnyRow

_DIGEST_BYTES = 32
_TEXTS = ("question", "answer", "instructions", "note")


async def read_chain(connection: AsyncConnection, tenant: TenantId, turn_id: str) -> list[StoredTurn]:
    """The turn and those that its prompt begins with, oldest first; [] if it does not exist.

    Ends before a turn that was deleted: the first one `follows` it then.
    """
    one = select(turns, literal(0).label("depth")).where(turns.c.tenant == tenant, turns.c.turn_id == turn_id)
    chain = one.cte("chain", recursive=True)
    earlier = select(turns, (chain.c.depth + 1).label("depth")).where(
        turns.c.tenant == tenant, turns.c.turn_id == chain.c.follows, chain.c.depth < MAX_TURNS
    )
    chain = chain.union_all(earlier)
    rows = await connection.execute(select(chain).order_by(chain.c.depth.desc()))
    return [turn_of(row) for row in rows]


async def has_turn(connection: AsyncConnection, tenant: TenantId, turn_id: str) -> bool:
    """Whether a turn with this id is stored."""
    wanted = select(turns.c.turn_id).where(turns.c.tenant == tenant, turns.c.turn_id == turn_id)
    return (await connection.execute(wanted)).first() is not None


async def write_turn(connection: AsyncConnection, turn: StoredTurn) -> None:
    """Adds a turn's row."""
    await connection.execute(insert(turns).values(_values(turn)))


def size_of(turn: StoredTurn) -> int:
    """Bytes of a turn's texts and ids."""
    return sum(
        len(value.encode()) if isinstance(value, str) else len(value)
        for value in _values(turn).values()
        if isinstance(value, str | bytes)
    ) + sum(len(part.encode()) for told in turn.history for part in (told.question, told.answer))


def turn_of(row: AnyRow) -> StoredTurn:
    """The turn of a row."""
    values = {column.name: getattr(row, column.name) for column in turns.columns}
    values["documents"], values["sources"] = _digests(row.documents), _digests(row.sources)
    values["history"] = tuple(
        Exchange(question, answer, tuple(sources)) for question, answer, sources in row.history
    )
    return StoredTurn(**values)


def _digests(raw: bytes) -> tuple[str, ...]:
    return tuple(raw[at : at + _DIGEST_BYTES].hex() for at in range(0, len(raw), _DIGEST_BYTES))


def _values(turn: StoredTurn) -> dict[str, Any]:
    history = [[_stored(told.question), _stored(told.answer), list(told.sources)] for told in turn.history]
    return {
        **asdict(turn),
        **{name: _stored(getattr(turn, name)) for name in _TEXTS},
        "documents": b"".join(map(bytes.fromhex, turn.documents)),
        "sources": b"".join(map(bytes.fromhex, turn.sources)),
        "history": history,
    }


def _stored(text: str) -> str:
    """A text without NUL, which PostgreSQL refuses; a model can write one."""
    return text.replace("\0", "\ufffd")
