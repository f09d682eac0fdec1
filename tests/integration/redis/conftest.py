"""An embedded server of one's own, in a state directory that must be left without any process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.redis.embedded_server import EmbeddedRedis
from tests.integration.redis.embedded_processes import processes_naming, until


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    """A state directory; when the test is over, nothing of it may be left running."""
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
