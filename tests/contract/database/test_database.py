"""Connections, migrations and faults, on every database."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

import deployments.access.tables
import deployments.conversations.tables
import deployments.database.milestones
import deployments.erasure.tables
import deployments.knowledge.tables
import deployments.records.business_tables
import deployments.records.tables  # noqa: F401  registers its tables, as the five above do
from deployments.core.errors import ConfigurationError, Conflict, InternalFault, KnowledgeUnavailable
from deployments.core.metrics import DATABASE_S
from deployments.database.connection import Database
from deployments.database.metadata import metadata
from deployments.database.migrations import upgrade
from tests.fakes import RecordingMeter

INSERT = text("INSERT INTO milestones VALUES (:name, 0)")


async def milestones(database: Database) -> int:
    async with database.snapshot() as connection:
        return int(await connection.scalar(text("SELECT count(*) FROM milestones")) or 0)


async def test_migrations_and_tables_agree(database_url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        # The text index is created by SQL statements that differ by dialect, not from the metadata.
        options = {"include_name": lambda name, kind, parents: not str(name).startswith("chunk_search")}
        context = MigrationContext.configure(connection, opts={"compare_type": True, **options})
        return list(compare_metadata(context, metadata))

    database = await Database.open(database_url)
    async with database.transaction() as connection:
        assert await connection.run_sync(differences) == []
    await database.close()


async def test_each_transaction_is_measured_by_its_outcome(database_url: str) -> None:
    """What the application rolls back is no fault of the database."""
    meter = RecordingMeter()
    database = await Database.open(database_url, meter=meter)
    await milestones(database)
    with pytest.raises(Conflict):
        async with database.transaction():
            raise Conflict("it is there already")
    with pytest.raises(InternalFault):
        async with database.transaction() as connection:
            await connection.execute(INSERT, [{"name": "one"}] * 2)  # the name is a key
    await database.close()
    assert len(meter.of(DATABASE_S, kind="transaction", outcome="ok")) == 1  # the migration
    assert len(meter.of(DATABASE_S, kind="snapshot", outcome="ok")) == 1
    assert len(meter.of(DATABASE_S, outcome="rolled_back")) == 1
    assert len(meter.of(DATABASE_S, outcome="failed")) == 1


async def test_opening_again_keeps_what_is_there(database_url: str) -> None:
    for count in range(2):
        database = await Database.open(database_url)
        assert await milestones(database) == count
        async with database.transaction() as connection:
            await connection.execute(INSERT, {"name": str(count)})
        await database.close()


async def test_a_migration_that_fails_leaves_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(connection: Connection) -> None:
        upgrade(connection)
        raise RuntimeError("killed")

    monkeypatch.setattr("deployments.database.connection.upgrade", failing)
    with pytest.raises(RuntimeError, match="killed"):
        await Database.open(database_url)
    monkeypatch.undo()
    database = await Database.open(database_url)
    assert await milestones(database) == 0
    await database.close()


async def test_an_error_or_cancellation_rolls_back(database_url: str) -> None:
    database = await Database.open(database_url)

    async def failing() -> None:
        async with database.transaction() as connection:
            await connection.execute(INSERT, {"name": "error"})
            raise RuntimeError("error")

    async def hanging(written: asyncio.Event) -> None:
        async with database.transaction() as connection:
            await connection.execute(INSERT, {"name": "cancelled"})
            written.set()
            await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="error"):
        await failing()
    written = asyncio.Event()
    task = asyncio.create_task(hanging(written))
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await milestones(database) == 0
    await database.close()


async def test_transactions_wait_for_each_other(database_url: str) -> None:
    database = await Database.open(database_url)

    async def add(name: str) -> None:
        async with database.transaction() as connection:
            await connection.execute(INSERT, {"name": name})
            await asyncio.sleep(0)

    await asyncio.gather(*(add(str(n)) for n in range(30)))
    assert await milestones(database) == 30
    await database.close()


async def processes(url: str) -> tuple[Database, Database]:
    """Two processes' databases on PostgreSQL; on SQLite, which allows one process, twice the same."""
    first = await Database.open(url)
    return first, first if first.dialect == "sqlite" else await Database.open(url)


async def test_a_name_has_one_holder_among_all_processes(database_url: str) -> None:
    """With more names than connections, and a transaction inside each lock."""
    databases = await processes(database_url)
    inside = dict.fromkeys(map(str, range(20)), 0)
    most = 0

    async def work(database: Database, name: str) -> None:
        nonlocal most
        async with database.lock(name):
            inside[name] += 1
            most = max(most, inside[name])
            await database.ping()
            inside[name] -= 1

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for name in [*inside, *inside]:
            for database in databases:
                tasks.create_task(work(database, name))
    assert most == 1
    for database in databases:
        await database.close()


@pytest.mark.parametrize("end", [OSError("error"), asyncio.CancelledError()])
async def test_a_name_is_free_again_after_an_error(database_url: str, end: BaseException) -> None:
    """The error itself passes through unchanged."""
    first, second = await processes(database_url)
    with pytest.raises(type(end)) as raised:
        async with first.lock("name"):
            raise end
    assert raised.value is end
    async with asyncio.timeout(10), second.lock("name"):
        pass
    for database in (first, second):
        await database.close()


async def test_locks_of_any_number_are_held_at_once(database_url: str) -> None:
    """By one connection, outside of a transaction: a change that holds one may wait for seconds."""
    database = await Database.open(database_url)
    everyone = asyncio.Barrier(50)

    async def work(name: str) -> None:
        async with database.lock(name):
            await everyone.wait()
            if name == "0" and database.dialect == "postgresql":
                async with database.snapshot() as connection:
                    own = "FROM pg_stat_activity WHERE datname = current_database()"
                    idle = await connection.scalar(text(f"SELECT count(*) {own} AND state LIKE 'idle in%'"))
                    holders = await connection.scalar(
                        text("SELECT count(DISTINCT pid) FROM pg_locks WHERE locktype = 'advisory'")
                    )
                    assert (idle, holders) == (0, 1)
            await everyone.wait()

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        for number in range(50):
            tasks.create_task(work(str(number)))
    await database.close()


async def test_who_gives_up_waiting_leaves_the_lock_free(database_url: str) -> None:
    """At any moment, also while the database gives it the lock."""
    database = await Database.open(database_url)
    for steps in (0, 1, 2, 3, 5, 8, 13):
        waiting = asyncio.create_task(database.lock("name").__aenter__())
        for _ in range(steps):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        while statements := set(database._locks._statements):
            await asyncio.gather(*statements)
        if database.dialect == "postgresql":
            async with database.snapshot() as connection:
                held = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
                assert await connection.scalar(held) == 0
    await database.close()


async def test_a_lost_connection_frees_its_locks(database_url: str) -> None:
    """What its holder does afterwards is no error, and later locks get a new connection."""
    first, second = await processes(database_url)
    async with first.lock("name"):
        if first.dialect == "postgresql":
            async with second.transaction() as connection:
                holder = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
                await connection.execute(text(holder))
            async with asyncio.timeout(10), second.lock("name"):
                pass
    async with asyncio.timeout(10), first.lock("name"):
        pass
    for database in (first, second):
        await database.close()


async def test_a_statement_that_the_database_refuses_is_an_internal_fault(database_url: str) -> None:
    database = await Database.open(database_url)

    async def insert_twice() -> None:
        async with database.transaction() as connection:
            for _ in range(2):
                await connection.execute(INSERT, {"name": "twice"})

    with pytest.raises(InternalFault):
        await insert_twice()
    await database.close()


async def test_sqlite_is_durable_and_checks_foreign_keys(tmp_path: Path) -> None:
    database = await Database.open(f"sqlite:///{tmp_path}/a.db")
    async with database.transaction() as connection:
        pragmas = ("journal_mode", "synchronous", "foreign_keys")
        found = [await connection.scalar(text(f"PRAGMA {name}")) for name in pragmas]
    assert found == ["truncate", 2, 1]
    await database.close()


async def test_a_second_process_waits_for_the_sqlite_file_and_then_gives_up(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    url = f"sqlite:///{tmp_path}/real/a.db"
    first = await Database.open(url)
    with pytest.raises(KnowledgeUnavailable, match=r"another process has used .*a\.db"):
        await Database.open(f"sqlite:///{tmp_path}/link/a.db", lock_wait_s=0.2)
    waiting = asyncio.create_task(Database.open(url, lock_wait_s=60))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await first.close()
    second = await waiting
    await second.ping()
    await second.close()


async def test_the_drivers_words_are_logged_and_not_for_callers(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    database = await Database.open(database_url)
    with pytest.raises(KnowledgeUnavailable) as raised:
        async with database.transaction():
            raise OSError("connection to 10.0.3.7 failed for user warmline")
    assert raised.value.message == "the database can't be used; try again later"
    assert "10.0.3.7" in caplog.text
    await database.close()


async def test_the_error_of_opening_a_database_has_no_password(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("this is not a database" * 100)
    for url in (
        "postgres://me:secret@/db?host=/nowhere",
        f"sqlite:///{tmp_path}/file",
        f"sqlite:///{tmp_path}/file/below.db",
    ):
        with pytest.raises(KnowledgeUnavailable) as raised:
            await Database.open(url)
        assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "sqlite://", "sqlite:///:memory:", "secret"])
async def test_other_databases_are_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        await Database.open(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("exists", [True, False])
async def test_files_of_sqlite_are_private(tmp_path: Path, exists: bool) -> None:
    """The database and those that SQLite and the lock put next to it, also if it was open to others."""
    file = tmp_path / "warmline.db"
    umask = os.umask(0o022)
    try:
        if exists:
            file.touch(0o644)
        database = await Database.open(f"sqlite:///{file}")
        async with database.transaction() as connection:
            await connection.execute(INSERT, {"name": "one"})
            modes = modes_in(tmp_path)
        await database.close()
    finally:
        os.umask(umask)
    assert modes == [0o600] * 3


def modes_in(folder: Path) -> list[int]:
    return [stat.S_IMODE(found.stat().st_mode) for found in folder.iterdir()]


async def test_a_call_that_is_cancelled_in_its_transaction_leaves_the_database_usable(
    database_url: str,
) -> None:
    """Wherever it is cancelled: also between a statement and its rows."""
    database = await Database.open(database_url, lock_wait_s=0)

    async def write_and_read() -> None:
        async with database.transaction() as connection:
            await connection.execute(INSERT, {"name": str(uuid4())})
            for _ in range(5):
                await connection.execute(text("SELECT * FROM milestones"))

    for delay_s in range(40):
        call = asyncio.create_task(write_and_read())
        await asyncio.sleep(delay_s / 10_000)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        async with asyncio.timeout(4):  # less than SQLite waits for a lock
            await write_and_read()
    await database.close()
