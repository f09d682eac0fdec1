"""The states of many collections are read by one statement."""

from __future__ import annotations

import pytest
from sqlalchemy import event, insert

from deployments.core.ids import CollectionName, Fingerprint, Scope, TenantId
from deployments.database.connection import Database
from deployments.knowledge.collection_states import CollectionState, read_states
from deployments.knowledge.indexes import IndexKey, ensure_index
from deployments.knowledge.tables import collections

SCOPES = [Scope(TenantId(f"t{n}"), CollectionName(name)) for n in range(1000) for name in ("a", "b")]
ABSENT = Scope(TenantId("nobody"), CollectionName("a"))


@pytest.mark.parametrize("wanted", [[], [ABSENT], SCOPES[:1], [ABSENT, *SCOPES]], ids=len)
async def test_a_thousand_tenants_take_one_statement(database_url: str, wanted: list[Scope]) -> None:
    """A collection that does not exist has a state too."""
    database = await Database.open(database_url)
    async with database.transaction() as connection:
        index = await ensure_index(connection, IndexKey(Fingerprint("e"), Fingerprint("t"), 64, 1))
        rows = [
            {"tenant": s.tenant, "name": s.collection, "generation": number, "stamp": f"s{number}"}
            for number, s in enumerate(SCOPES, start=1)
        ]
        await connection.execute(insert(collections), rows)
    statements: list[str] = []
    async with database.snapshot() as connection:
        engine = connection.sync_connection
        event.listen(engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
        found = await read_states(connection, wanted)
    await database.close()
    expected = {
        s: CollectionState(index.id, "e", n, f"s{n}", index.word_key) for n, s in enumerate(SCOPES, start=1)
    }
    expected[ABSENT] = CollectionState(index.id, "e", 0, "", index.word_key)
    assert found == {scope: expected[scope] for scope in wanted}
    assert len(statements) == bool(wanted)
