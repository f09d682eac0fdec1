"""Processes that are forked from a prepared one."""

from __future__ import annotations

import os
import signal
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import pytest

from deployments.engine.prepared_process import _Context


def tell(connection: Connection, variable: str) -> None:
    """Sends a variable of the environment, then waits."""
    connection.send(os.environ.get(variable))
    connection.recv()


def test_each_fork_has_the_environment_of_its_start_and_its_end_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As with a spawned process, on which vLLM relies: the prepared one keeps that of its own start."""
    for value in ("first", "second"):
        monkeypatch.setenv("WARMLINE_TRIED", value)
        here, there = Pipe()
        process = _Context().Process(target=tell, args=(there, "WARMLINE_TRIED"))
        process.start()
        assert here.poll(30)
        assert here.recv() == value
        process.kill()
        process.join(10)
        assert process.exitcode == -signal.SIGKILL
