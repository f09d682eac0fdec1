"""Attacks over HTTP, as scripts. They are marked `system`: `make test-all` runs them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.abuse.attacked import Attacked, attacked


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Attacked]:
    async with attacked(tmp_path) as running:
        yield running
