"""API keys are made, recognised, rotated and revoked, on every database."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from math import inf

import pytest
from sqlalchemy import select

from deployments.access import key_store
from deployments.access.audit import KEPT_S
from deployments.access.key_store import REVOKED_KEPT_S, KeyStore
from deployments.access.tables import api_keys
from deployments.core.access import (
    KEY_PREFIX,
    USE_PRECISION_S,
    Actor,
    IssuedKey,
    KeyDraft,
    KeyScope,
    digest_of,
)
from deployments.core.errors import Conflict, NotFound
from deployments.core.ids import TenantId
from tests.fakes import FakeClock

ACME, OTHER = TenantId("acme"), TenantId("other")
BY = Actor("key-of-the-admin", "req-1")
DRAFT = KeyDraft("frontend", (KeyScope.ASK,))


async def secrets_of(store: KeyStore, clock: FakeClock) -> dict[bytes, str]:
    """The digests that are valid now, with their keys' ids, as an ingress replica reads them."""
    changes = await store.key_changes(0, {})
    valid = [(d, r.key_id, until) for r in changes.records for d, until in r.valid_until_s.items()]
    return {digest: key_id for digest, key_id, until in valid if until > clock.now_s}


async def made(store: KeyStore, tenant: TenantId = ACME, draft: KeyDraft = DRAFT) -> IssuedKey:
    return await store.create_key(BY, tenant, draft)


async def test_a_key_is_recognised_by_its_secret_only(store: KeyStore, clock: FakeClock) -> None:
    """The database has the digest, not the secret."""
    issued = await made(store)
    assert issued.secret.startswith(KEY_PREFIX)
    assert await secrets_of(store, clock) == {digest_of(issued.secret): issued.key.key_id}
    async with store.database.snapshot() as connection:
        row = (await connection.execute(select(api_keys))).one()
    assert issued.secret not in str(tuple(row))


async def test_two_keys_have_different_secrets(store: KeyStore) -> None:
    """And ids that sort by time."""
    first, second = await made(store), await made(store)
    assert first.secret != second.secret
    assert first.key.key_id != second.key.key_id


async def test_keys_belong_to_their_tenant(store: KeyStore) -> None:
    """Another tenant neither lists, rotates nor revokes them."""
    key_id = (await made(store)).key.key_id
    assert await store.list_keys(BY, OTHER, 10, None) == ()
    for attempt in (store.revoke_key(BY, OTHER, key_id), store.rotate_key(BY, OTHER, key_id, 0)):
        with pytest.raises(NotFound):
            await attempt
    (record,) = (await store.key_changes(0, {})).records
    assert (record.tenant, record.scopes) == (ACME, frozenset({KeyScope.ASK}))


async def test_a_revoked_key_is_invalid_for_good(store: KeyStore, clock: FakeClock) -> None:
    """Revoking it again changes nothing; it can't be rotated; it is listed for some time."""
    key_id = (await made(store)).key.key_id
    revoked = await store.revoke_key(BY, ACME, key_id)
    assert revoked.revoked_at_s == clock.now_s
    clock.pass_s(5)
    assert await store.revoke_key(BY, ACME, key_id) == revoked
    assert await secrets_of(store, clock) == {}
    with pytest.raises(Conflict):
        await store.rotate_key(BY, ACME, key_id, 60)
    assert await store.list_keys(BY, ACME, 10, None) == (revoked,)
    clock.pass_s(REVOKED_KEPT_S)
    await made(store)
    assert key_id not in [key.key_id for key in await store.list_keys(BY, ACME, 10, None)]


async def test_a_rotated_key_keeps_its_former_secret_for_some_time(store: KeyStore, clock: FakeClock) -> None:
    """And no longer than the key itself."""
    former = await made(store, draft=KeyDraft("k", (KeyScope.ASK,), expires_in_s=60))
    present = await store.rotate_key(BY, ACME, former.key.key_id, keep_former_s=30)
    assert present.key == former.key
    assert set(await secrets_of(store, clock)) == {digest_of(former.secret), digest_of(present.secret)}
    clock.pass_s(30)
    assert set(await secrets_of(store, clock)) == {digest_of(present.secret)}
    await store.rotate_key(BY, ACME, former.key.key_id, keep_former_s=300)
    clock.pass_s(30)
    assert await secrets_of(store, clock) == {}
    with pytest.raises(Conflict):
        await store.rotate_key(BY, ACME, former.key.key_id, 0)


async def test_a_rotation_never_ends_a_kept_secret_early(store: KeyStore, clock: FakeClock) -> None:
    """It is refused until then, and the error names the time, unless it is to end all former secrets."""
    first = await made(store)
    second = await store.rotate_key(BY, ACME, first.key.key_id, keep_former_s=60)
    clock.pass_s(59)
    until = datetime.fromtimestamp(clock.now_s + 1, UTC).isoformat(timespec="seconds")
    with pytest.raises(Conflict, match=re.escape(until)):
        await store.rotate_key(BY, ACME, first.key.key_id, keep_former_s=1)
    assert set(await secrets_of(store, clock)) == {digest_of(first.secret), digest_of(second.secret)}
    clock.pass_s(1)
    third = await store.rotate_key(BY, ACME, first.key.key_id, keep_former_s=60)
    assert set(await secrets_of(store, clock)) == {digest_of(second.secret), digest_of(third.secret)}
    last = await store.rotate_key(BY, ACME, first.key.key_id, keep_former_s=0)
    assert set(await secrets_of(store, clock)) == {digest_of(last.secret)}


async def test_changes_are_those_after_a_revision(store: KeyStore) -> None:
    """So that replicas read little, however many keys there are."""
    one, two = (await made(store)).key.key_id, (await made(store)).key.key_id
    known = await store.key_changes(0, {})
    assert (known.complete, {r.key_id for r in known.records}) == (True, {one, two})
    assert await store.key_changes(known.revision, {}) == type(known)(known.revision, (), False)
    await store.revoke_key(BY, ACME, one)
    later = await store.key_changes(known.revision, {})
    assert [(r.key_id, dict(r.valid_until_s)) for r in later.records] == [(one, {})]
    assert later.revision > known.revision


async def test_a_revision_that_the_database_never_had_gets_all_keys(store: KeyStore) -> None:
    """After a restored backup, what replicas know is not the past of the database."""
    key_id = (await made(store)).key.key_id
    changes = await store.key_changes(10**9, {})
    assert changes.complete
    assert [record.key_id for record in changes.records] == [key_id]


async def test_keys_made_at_once_are_all_seen(store: KeyStore) -> None:
    """No reader sees a revision before the changes of the earlier ones."""
    seen: set[str] = set()
    revision = 0

    async def read() -> None:
        nonlocal revision
        changes = await store.key_changes(revision, {})
        seen.update(record.key_id for record in changes.records)
        revision = changes.revision

    async def make() -> str:
        key_id = (await made(store)).key.key_id
        await read()
        return key_id

    issued = await asyncio.gather(*(make() for _ in range(8)))
    assert seen == set(issued)


async def test_the_last_use_is_stored_once_a_minute(store: KeyStore, clock: FakeClock) -> None:
    """Unknown keys do no harm."""
    key_id = (await made(store)).key.key_id

    async def used(at_s: float) -> float | None:
        await store.key_changes(0, {key_id: at_s, "key-unknown": at_s})
        assert store._noting is not None
        await store._noting
        (key,) = await store.list_keys(BY, ACME, 10, None)
        return key.last_used_at_s

    assert await used(clock.now_s) == clock.now_s
    assert await used(clock.now_s + USE_PRECISION_S / 2) == clock.now_s
    assert await used(clock.now_s + USE_PRECISION_S + 1) == clock.now_s + USE_PRECISION_S + 1


async def test_valid_keys_are_bounded(
    store: KeyStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By tenant; revoked and expired ones don't count."""
    monkeypatch.setattr(key_store, "MAX_KEYS", 2)
    first = await made(store, draft=KeyDraft("short", (KeyScope.ASK,), expires_in_s=10))
    second = await made(store)
    with pytest.raises(Conflict, match="at most 2"):
        await made(store)
    await made(store, OTHER)
    await store.revoke_key(BY, ACME, second.key.key_id)
    await made(store)
    clock.pass_s((first.key.expires_at_s or inf) - clock.now_s + 1)
    await made(store)


async def test_each_use_of_admin_is_recorded(store: KeyStore, clock: FakeClock) -> None:
    """With the key, the request and the object; not a refused one, and not another tenant's."""
    key_id = (await made(store)).key.key_id
    await store.rotate_key(BY, ACME, key_id, 0)
    await store.revoke_key(BY, ACME, key_id)
    await store.list_keys(BY, ACME, 10, None)
    await made(store, OTHER)
    with pytest.raises(NotFound):
        await store.revoke_key(BY, ACME, "key-nobody")
    found = await store.audit(BY, ACME, 10, None)
    expected = {("keys.create", key_id), ("keys.rotate", key_id), ("keys.revoke", key_id), ("keys.list", "")}
    assert {(entry.action, entry.subject) for entry in found} == expected
    assert {(e.tenant, e.key_id, e.request_id, e.at_s) for e in found} == {
        (ACME, BY.key_id, BY.request_id, clock.now_s)
    }
    oldest = found[-1]
    assert await store.audit(BY, ACME, 10, oldest.entry_id) == ()
    clock.pass_s(KEPT_S + 1)
    assert [entry.action for entry in await store.audit(BY, ACME, 10, None)] == [
        "audit.list",
        "audit.list",
        *[e.action for e in found],
    ]
    assert [entry.action for entry in await store.audit(BY, ACME, 10, None)] == ["audit.list"]


async def test_a_busy_database_keeps_no_key_waiting(store: KeyStore, clock: FakeClock) -> None:
    """On SQLite all share one connection. What was used is stored when the database is free again."""
    issued = await made(store)
    known = await store.key_changes(0, {})
    async with store.database.transaction(), asyncio.timeout(1):
        assert await store.key_changes(0, {issued.key.key_id: clock.now_s}) == known
    assert store._noting is not None
    await store._noting
    (key,) = await store.list_keys(BY, ACME, 10, None)
    assert key.last_used_at_s == clock.now_s


async def test_a_reading_during_a_change_is_not_kept(store: KeyStore) -> None:
    """Else a revoked key would stay valid."""
    issued = await made(store)
    reads = asyncio.gather(*(store.key_changes(0, {}) for _ in range(5)))
    await store.revoke_key(BY, ACME, issued.key.key_id)
    await reads
    (record,) = (await store.key_changes(0, {})).records
    assert record.valid_until_s == {}
