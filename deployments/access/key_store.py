"""The stored API keys."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from math import inf
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from deployments.access.audit import Audit
from deployments.access.tables import api_keys as keys
from deployments.access.tables import key_revisions as revisions
from deployments.core.access import (
    KEY_PREFIX,
    MAX_KEYS,
    USE_PRECISION_S,
    Actor,
    ApiKey,
    AuditEntry,
    IssuedKey,
    KeyChanges,
    KeyDraft,
    KeyRecord,
    KeyScope,
    digest_of,
)
from deployments.core.detached_task import detached_task
from deployments.core.errors import Conflict, KnowledgeUnavailable, NotFound
from deployments.core.ids import TenantId
from deployments.database.connection import Database
from deployments.database.metadata import AnyRow

log = logging.getLogger(__name__)

REVOKED_KEPT_S = 90 * 24 * 3600.0
"""How long a revoked key is listed."""


class KeyStore:
    """Implements `KeyDesk`.

    Replicas ask for changes several times a second, and no long transaction of others may keep them waiting.
    On SQLite, where all share one connection, this object answers from memory: it is the only one that
    changes keys there.
    """

    def __init__(
        self, database: Database, clock: Callable[[], float], new_record_id: Callable[[], str]
    ) -> None:
        """`clock` gives Unix seconds, `new_record_id` makes ids that sort by time."""
        self.database = database
        self.clock = clock
        self.new_record_id = new_record_id
        self._audit = Audit(clock, new_record_id)
        self._changes = 0
        self._copy: KeyChanges | None = None
        self._noting: asyncio.Task[None] | None = None

    async def create_key(self, actor: Actor, tenant: TenantId, draft: KeyDraft) -> IssuedKey:
        """Makes a key. Raises Conflict if the tenant has `MAX_KEYS` valid ones."""
        now_s, secret = self.clock(), _new_secret()
        key = ApiKey(
            f"key-{self.new_record_id()}",
            tenant,
            draft.name,
            tuple(sorted(set(draft.scopes))),
            now_s,
            None if draft.expires_in_s is None else now_s + draft.expires_in_s,
            None,
            None,
        )
        async with self._change() as connection:
            revision = await _next_revision(connection)
            await connection.execute(delete(keys).where(keys.c.revoked_at_s < now_s - REVOKED_KEPT_S))
            valid = and_(keys.c.tenant == tenant, keys.c.revoked_at_s.is_(None), _unexpired(now_s))
            if (await connection.scalar(select(func.count()).where(valid)) or 0) >= MAX_KEYS:
                raise Conflict(f"a tenant has at most {MAX_KEYS} valid keys: revoke one first")
            row = {
                "tenant": tenant,
                "key_id": key.key_id,
                "name": key.name,
                "scopes": " ".join(key.scopes),
                "digest": digest_of(secret),
                "created_at_s": now_s,
                "expires_at_s": key.expires_at_s,
                "revision": revision,
            }
            await connection.execute(insert(keys).values(row))
            await self._audit.record(connection, actor, tenant, "keys.create", key.key_id)
        return IssuedKey(key, secret)

    async def list_keys(
        self, actor: Actor, tenant: TenantId, limit: int, after: str | None
    ) -> tuple[ApiKey, ...]:
        """At most `limit` keys by id, from after the id `after` on."""
        query = select(keys).where(keys.c.tenant == tenant, keys.c.key_id > (after or ""))
        async with self.database.transaction() as connection:
            rows = await connection.execute(query.order_by(keys.c.key_id).limit(limit))
            found = tuple(_api_key(row) for row in rows)
            await self._audit.record(connection, actor, tenant, "keys.list")
        return found

    async def rotate_key(
        self, actor: Actor, tenant: TenantId, key_id: str, keep_former_s: float
    ) -> IssuedKey:
        """Gives a key a new secret. The former one stays valid for `keep_former_s` seconds; 0 ends all
        former ones at once.

        Raises NotFound, Conflict if the key is revoked or has expired, or if the secret before the present
        one is valid and so is to be the present one: a key has two valid secrets at most.
        """
        now_s, secret = self.clock(), _new_secret()
        async with self._change() as connection:
            revision = await _next_revision(connection)
            row = await _row(connection, tenant, key_id)
            if row.revoked_at_s is not None or (row.expires_at_s or inf) <= now_s:
                raise Conflict("the key is revoked or has expired: make a new one")
            if keep_former_s and (row.former_until_s or 0) > now_s:
                raise Conflict(_kept_already(row.former_until_s))
            changed = {
                "digest": digest_of(secret),
                "former_digest": row.digest,
                "former_until_s": now_s + keep_former_s,
                "revision": revision,
            }
            await connection.execute(update(keys).where(_is(tenant, key_id)).values(changed))
            await self._audit.record(connection, actor, tenant, "keys.rotate", key_id)
        return IssuedKey(_api_key(row), secret)

    async def revoke_key(self, actor: Actor, tenant: TenantId, key_id: str) -> ApiKey:
        """Makes a key invalid, for good; does nothing to a revoked one. Raises NotFound."""
        async with self._change() as connection:
            revision = await _next_revision(connection)
            row = await _row(connection, tenant, key_id)
            if row.revoked_at_s is None:
                changed = {"revoked_at_s": self.clock(), "revision": revision}
                await connection.execute(update(keys).where(_is(tenant, key_id)).values(changed))
                row = await _row(connection, tenant, key_id)
            await self._audit.record(connection, actor, tenant, "keys.revoke", key_id)
        return _api_key(row)

    async def audit(
        self, actor: Actor, tenant: TenantId, limit: int, before: str | None
    ) -> tuple[AuditEntry, ...]:
        """At most `limit` entries, newest first, older than the entry `before`."""
        async with self.database.transaction() as connection:
            found = await self._audit.newest(connection, tenant, limit, before)
            await self._audit.record(connection, actor, tenant, "audit.list")
        return found

    async def key_changes(self, known: int, used: Mapping[str, float]) -> KeyChanges:
        """Changes after the revision `known`; 0 asks for all keys."""
        if used and (self._noting is None or self._noting.done()):
            self._noting = detached_task(self._note(used))
        changes = self._changes
        every = self._copy or await self._read()
        if self.database.dialect == "sqlite" and changes == self._changes:
            self._copy = every
        # A database that was restored from a backup can be older than what the caller knows.
        if not 0 < known <= every.revision:
            return every
        return KeyChanges(every.revision, tuple(r for r in every.records if r.revision > known), False)

    async def _read(self) -> KeyChanges:
        async with self.database.snapshot() as connection:
            revision = await connection.scalar(select(revisions.c.revision)) or 0
            rows = await connection.execute(select(keys))
            return KeyChanges(revision, tuple(_record(row) for row in rows), True)

    async def _note(self, used: Mapping[str, float]) -> None:
        """Stores when keys were used. Logs failures: the next use is stored a minute later."""
        try:
            async with self.database.transaction() as connection:
                for key_id, at_s in used.items():
                    known_s = keys.c.last_used_at_s
                    stale = or_(known_s.is_(None), known_s < at_s - USE_PRECISION_S)
                    later = update(keys).where(keys.c.key_id == key_id, stale).values(last_used_at_s=at_s)
                    await connection.execute(later)
        except KnowledgeUnavailable as error:
            log.warning("the last use of %d keys was not stored: %s", len(used), error)

    @asynccontextmanager
    async def _change(self) -> AsyncIterator[AsyncConnection]:
        async with self.database.transaction() as connection:
            yield connection
        self._changes += 1
        self._copy = None


def _kept_already(until_s: float) -> str:
    until = datetime.fromtimestamp(until_s, UTC).isoformat(timespec="seconds")
    return (
        f"the key's secret before the present one is valid until {until}: rotate again after that, or with "
        "keep_former_s 0, which ends all former secrets at once"
    )


def _new_secret() -> str:
    return KEY_PREFIX + secrets.token_urlsafe(32)


async def _next_revision(connection: AsyncConnection) -> int:
    """Raises the list's revision. Other changes wait until this transaction ends, so that nobody sees
    a revision before the changes of the earlier ones.
    """
    raised = update(revisions).values(revision=revisions.c.revision + 1).returning(revisions.c.revision)
    return int((await connection.execute(raised)).scalar_one())


async def _row(connection: AsyncConnection, tenant: TenantId, key_id: str) -> AnyRow:
    row = (await connection.execute(select(keys).where(_is(tenant, key_id)))).first()
    if row is None:
        raise NotFound(f"there is no key {key_id!r}")
    return row


def _is(tenant: TenantId, key_id: str) -> ColumnElement[bool]:
    return and_(keys.c.tenant == tenant, keys.c.key_id == key_id)


def _unexpired(now_s: float) -> ColumnElement[bool]:
    return or_(keys.c.expires_at_s.is_(None), keys.c.expires_at_s > now_s)


def _api_key(row: AnyRow) -> ApiKey:
    return ApiKey(
        row.key_id,
        TenantId(row.tenant),
        row.name,
        _scopes(row),
        row.created_at_s,
        row.expires_at_s,
        row.revoked_at_s,
        row.last_used_at_s,
    )


def _record(row: AnyRow) -> KeyRecord:
    scopes = frozenset(_scopes(row))
    return KeyRecord(row.key_id, TenantId(row.tenant), scopes, _validity(row), row.revision)


def _validity(row: Any) -> dict[bytes, float]:
    if row.revoked_at_s is not None:
        return {}
    expires_at_s = inf if row.expires_at_s is None else row.expires_at_s
    valid = {bytes(row.digest): expires_at_s}
    if row.former_digest is not None:
        valid[bytes(row.former_digest)] = min(row.former_until_s, expires_at_s)
    return valid


def _scopes(row: AnyRow) -> tuple[KeyScope, ...]:
    return tuple(KeyScope(name) for name in row.scopes.split())
