"""What is too old is deleted by one process, in small batches, and nothing else is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import text as sql

from deployments.core.documents import DocumentDraft
from deployments.core.erasure import ErasureKind, ErasureState, ErasureTarget
from deployments.core.errors import NotFound
from deployments.core.ids import DocId, Scope
from deployments.core.records.tickets import Resolve, TicketDraft, TicketQuery
from deployments.database.connection import Database
from deployments.erasure.erasure_store import KEPT_S, ErasureStore
from deployments.erasure.upkeep import LOCK, Upkeep
from deployments.knowledge.document_versions import MAX_AGE_S, MAX_VERSIONS, VersionRetention
from deployments.records.retention import RecordRetention
from tests.contract.erasure.conftest import ACME, ACTOR, SUPPORT_KB, Whole, an_idea

SCOPE = Scope(ACME, SUPPORT_KB)
DAY_S = 24 * 3600.0


def in_days(days: float) -> Callable[[], float]:
    """A clock that is so many days ahead."""
    return lambda: time.time() + days * DAY_S


async def put(whole: Whole, number: int, doc_id: str = "a") -> None:
    draft = DocumentDraft(DocId(doc_id), "", None, "text/markdown", f"text {number}".encode())
    await whole.knowledge.put(SCOPE, draft)


async def versions(whole: Whole, doc_id: str = "a") -> list[int]:
    found = await whole.knowledge.versions(SCOPE, DocId(doc_id), 500, None)
    return [one.version for one in found]


async def run(whole: Whole, prune: Callable[[int], object]) -> None:
    await Upkeep(whole.database, whole.erasing.resume, {"things": prune}).prune()  # type: ignore[dict-item]


async def test_a_document_keeps_its_last_versions(whole: Whole) -> None:
    last = MAX_VERSIONS + 3
    for number in range(1, last + 1):
        await put(whole, number)
    assert await versions(whole) == list(range(last, last - MAX_VERSIONS - 1, -1))


async def test_a_version_is_kept_for_its_time_after_it_was_replaced(whole: Whole) -> None:
    """However old the text was then: its author may want it back."""
    for number in (1, 2, 3):
        await put(whole, number)
    await put(whole, 1, "b")
    old_s = time.time() - MAX_AGE_S - DAY_S
    async with whole.database.transaction() as connection:
        # Version 1 was replaced long ago, 2 now.
        await connection.execute(sql("UPDATE document_versions SET stored_at_s = :at"), {"at": old_s})
    await run(whole, VersionRetention(whole.database, time.time).prune)
    assert await versions(whole) == [3, 2]
    later = VersionRetention(whole.database, in_days(MAX_AGE_S / DAY_S + 1))
    assert await later.prune(200) == 1
    assert (await versions(whole), await versions(whole, "b")) == ([3], [1])


async def test_tickets_and_ideas_go_some_days_after_their_last_change(whole: Whole) -> None:
    """With their documents."""
    old, new = [
        await whole.api.desk.create_ticket(ACME, TicketDraft("ann", f"{word} is broken"), None)
        for word in ("aardvark", "buffalo")
    ]
    await whole.api.desk.change_ticket(ACME, old.ticket_id, Resolve("mended", True))
    await whole.business.put_idea(ACME, an_idea("cormorant", "ann"), None)
    async with whole.database.transaction() as connection:
        aged = sql("UPDATE tickets SET updated_at_s = updated_at_s - :s WHERE ticket_id = :id")
        await connection.execute(aged, {"s": 10 * DAY_S, "id": old.ticket_id})
    retention = RecordRetention(whole.database, whole.documents, 7 * DAY_S, time.time)
    await run(whole, retention.prune_tickets)
    await run(whole, retention.prune_ideas)
    kept = await whole.api.desk.list_tickets(TicketQuery(ACME, 10))
    assert [ticket.ticket_id for ticket in kept] == [new.ticket_id]
    assert [place for place in await whole.places("aardvark") if place.startswith("database")] == []
    assert await whole.places("cormorant") != []
    await run(whole, replace(retention, clock=in_days(8)).prune_ideas)
    assert await whole.places("cormorant") == []


async def test_erasures_are_forgotten_with_the_audit(whole: Whole) -> None:
    done = await whole.erased(ErasureTarget(ErasureKind.CUSTOMER, subject="ann"))
    running = await whole.erasures.add(ACTOR, ACME, ErasureTarget(ErasureKind.TENANT))
    assert await whole.erasures.prune(10) == 0
    store = ErasureStore(whole.database, in_days(KEPT_S / DAY_S + 1), str, whole.erasures._record_audit)
    assert (await store.prune(10), await store.prune(10)) == (1, 0)
    with pytest.raises(NotFound):
        await whole.erasures.get(ACME, done.erasure_id)
    assert (await whole.erasures.get(ACME, running.erasure_id)).state is ErasureState.RUNNING


async def test_one_process_prunes_at_a_time(whole: Whole, database_url: str) -> None:
    """The others leave it to that one. SQLite has one process."""
    if whole.database.dialect == "sqlite":
        return
    calls: list[int] = []

    async def prune(limit: int) -> int:
        calls.append(limit)
        return 0

    other = await Database.open(database_url)
    async with other.lock_if_free(LOCK) as is_ours:
        assert is_ours
        await run(whole, prune)
    assert calls == []
    await run(whole, prune)
    assert len(calls) == 1
    await other.close()


async def test_upkeep_goes_on_after_an_error(whole: Whole, monkeypatch) -> None:
    monkeypatch.setattr("deployments.erasure.upkeep.EVERY_S", 0.001)
    monkeypatch.setattr("deployments.erasure.upkeep.PRUNE_EVERY_S", 0.002)
    resumed, pruned = 0, 0
    enough = asyncio.Event()

    async def resume() -> None:
        nonlocal resumed
        resumed += 1
        raise RuntimeError("not yet")

    async def prune(_limit: int) -> int:
        nonlocal pruned
        pruned += 1
        if pruned > 2:
            enough.set()
        raise RuntimeError("not yet")

    upkeep = asyncio.create_task(Upkeep(whole.database, resume, {"things": prune}).run())
    async with asyncio.timeout(60):
        await enough.wait()
    upkeep.cancel()
    await asyncio.gather(upkeep, return_exceptions=True)
    assert resumed > 2
