"""Idempotency keys and the responses to their calls, kept for a day."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import ColumnElement, and_, delete, select, text, update

from deployments.core.errors import Conflict
from deployments.core.records.idempotency import Claim, RepeatableCall
from deployments.database.connection import Database
from deployments.database.metadata import AnyRow
from deployments.records.tables import idempotency_keys as keys

KEPT_S = 24 * 3600.0
"""How long a key and its response are kept."""
HELD_S = 600.0
"""How long a claim blocks other callers. Longer than any call takes: after this, its caller has died."""

_INSERT = text(
    "INSERT INTO idempotency_keys "
    "(tenant, operation, key, request_hash, token, created_at_s, held_until_s) VALUES "
    "(:tenant, :operation, :key, :request_hash, :token, :now_s, :held_until_s) "
    "ON CONFLICT DO NOTHING"
)


class IdempotencyStore:
    """Implements `IdempotencyKeys`. All methods raise KnowledgeUnavailable.

    `clock` gives Unix seconds; `new_record_id` makes creation ids.
    """

    def __init__(
        self, database: Database, clock: Callable[[], float], new_record_id: Callable[[], str]
    ) -> None:
        self._database = database
        self._clock = clock
        self._new_record_id = new_record_id

    async def claim(self, call: RepeatableCall) -> Claim:
        """Claims a call, or returns the response that is kept for it. Deletes expired keys.

        Raises Conflict when the key was used with another request, or the first call has not ended yet.
        """
        now_s, creation_id = self._clock(), self._new_record_id()
        values = {
            "tenant": call.tenant,
            "operation": call.operation,
            "key": call.key,
            "request_hash": call.request_hash,
            "token": creation_id,
            "now_s": now_s,
            "held_until_s": now_s + HELD_S,
        }
        async with self._database.transaction() as connection:
            await connection.execute(delete(keys).where(keys.c.created_at_s < now_s - KEPT_S))
            if (await connection.execute(_INSERT, values)).rowcount:
                return Claim(creation_id, None)
            row = (await connection.execute(select(keys).where(_is(call)).with_for_update())).one()
            claim = _claim(row, call, now_s)
            if claim.response is None:
                held = {"held_until_s": now_s + HELD_S}
                await connection.execute(update(keys).where(_is(call)).values(held))
            return claim

    async def keep(self, call: RepeatableCall, response: str) -> None:
        """Stores a call's response for those who repeat the call."""
        async with self._database.transaction() as connection:
            await connection.execute(update(keys).where(_is(call)).values(response=response))

    async def release(self, call: RepeatableCall) -> None:
        """Lets the call be claimed again at once, with the same `creation_id`."""
        async with self._database.transaction() as connection:
            await connection.execute(update(keys).where(_is(call)).values(held_until_s=0.0))


def _claim(row: AnyRow, call: RepeatableCall, now_s: float) -> Claim:
    if row.request_hash != call.request_hash:
        raise Conflict("this Idempotency-Key was used with another request", "Idempotency-Key")
    if row.response is None and row.held_until_s > now_s:
        raise Conflict("the first call with this Idempotency-Key has not ended yet", "Idempotency-Key")
    return Claim(row.token, row.response)


def _is(call: RepeatableCall) -> ColumnElement[bool]:
    return and_(keys.c.tenant == call.tenant, keys.c.operation == call.operation, keys.c.key == call.key)
