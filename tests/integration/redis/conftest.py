"""An embedded server for one test, in a state directory in which no process may be left running."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.redis.embedded_server import EmbeddedRedis
from tests.integration.redis.embedded_processes import processes_naming, until


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    """A state directory. After the test, no process that uses it may be left."""
    path = tmp_path / "state"
    yield path
    until(lambda: not processes_naming(str(path)), "an orphan outlives the application")


@pytest.fixture
def redis(state_dir: Path) -> Iterator[EmbeddedRedis]:
    """A server that this process uses."""
    redis = EmbeddedRedis(state_dir)
    redis.acquire()
    yield redis
    redis.release()
