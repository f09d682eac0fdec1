"""The stored API keys of an empty database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deployments.access.key_store import KeyStore
from deployments.database.connection import Database
from deployments.records.record_ids import new_record_id
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(database_url: str, clock: FakeClock) -> AsyncIterator[KeyStore]:
    """On SQLite, then on PostgreSQL."""
    database = await Database.open(database_url, lock_wait_s=0)
    yield KeyStore(database, clock, new_record_id)
    await database.close()
