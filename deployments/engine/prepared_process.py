"""Starts vLLM's EngineCore as a fork of a process that has imported vLLM already.

vLLM itself spawns EngineCore: a new Python that imports vLLM for many seconds, also each time when an
engine that has ended is started again. The prepared process has one thread and uses no model, so it can be
forked safely. It ends with this process.
"""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

PRELOADED = ("vllm.v1.engine.core", "deployments.engine.document_scheduler", __name__)


class _Process(ForkServerProcess):
    """Gives the fork the environment variables that this process has now, as a spawned process would have."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._environ = dict(os.environ)

    def run(self) -> None:
        """Runs the target."""
        for name in os.environ.keys() - self._environ.keys():
            del os.environ[name]
        # Not all of them: setproctitle finds a process's title by variables that stay where they are.
        os.environ.update(self._environ.items() - os.environ.items())
        super().run()


class _Context(ForkServerContext):
    Process = _Process


def prepare_engine_core() -> None:
    """Starts the prepared process, and makes vLLM start EngineCore from it. Does it once in a process.

    EngineCore goes on to spawn its workers: OpenMP reads their environment variables when it is loaded.
    """
    from vllm.v1.engine import utils

    multiprocessing.get_context("forkserver").set_forkserver_preload(list(PRELOADED))
    forkserver.ensure_running()
    utils.get_mp_context = _Context
