"""An engine whose owner is killed. vLLM by itself would leave it running."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[3]
OWNER = """
import asyncio, sys
from deployments.engine.config import EngineConfig
from deployments.engine.vllm_engine import VllmEngine

async def main():
    await VllmEngine.start(EngineConfig(sys.argv[1], "m", max_model_len=512, kv_cache_gib=0.1))
    await asyncio.sleep(600)

asyncio.run(main())
"""


def engine_processes(owner: psutil.Process) -> list[psutil.Process]:
    return [p for p in owner.children(recursive=True) if p.name().startswith("VLLM::")]


def ended(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def holds_within(condition: Callable[[], bool], seconds: float) -> bool:
    """Waits for `condition()`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.timeout(400)
def test_an_engine_ends_with_an_owner_that_is_killed_while_it_starts(embedded_llm: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:  # a short path, since a socket's path is limited
        owner = subprocess.Popen(
            [sys.executable, "-c", OWNER, embedded_llm], cwd=ROOT, env={**os.environ, "TMPDIR": folder}
        )
        try:
            process = psutil.Process(owner.pid)
            assert holds_within(lambda: len(engine_processes(process)) == 2, 200), "no EngineCore and worker"
            engine = engine_processes(process)
        finally:
            owner.kill()
            owner.wait()
        assert holds_within(lambda: all(map(ended, engine)), 120)
        assert list(Path(folder).glob("warmline-engine-*")) == []
