"""Watches how many replicas each deployment of a running application has.

`python -m tests.bench.harness.replica_counts GCS_ADDRESS` prints a line of JSON a second. It is a
separate process because a process that has connected to one Ray cluster cannot connect to another.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.integration.application.running import ROOT, Application, _ray_environment

Counts = dict[str, dict[str, int]]
"""Number of replicas by deployment and state."""
EVERY_S = 1.0
CONNECT_WITHIN_S = 60.0


@asynccontextmanager
async def watched(application: Application) -> AsyncIterator[list[tuple[float, Counts]]]:
    """A list of (`time.monotonic()`, counts) that grows while this is open. It starts with one entry."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.bench.harness.replica_counts", gcs_address(application)),
        cwd=ROOT,
        env={**os.environ, **_ray_environment()},
        stdout=asyncio.subprocess.PIPE,
    )
    seen: list[tuple[float, Counts]] = []
    begun = asyncio.Event()
    reading = asyncio.create_task(_read(process, seen, begun))
    try:
        async with asyncio.timeout(CONNECT_WITHIN_S):
            await begun.wait()
        yield seen
    finally:
        reading.cancel()
        if process.returncode is None:
            process.terminate()
        await process.wait()


def gcs_address(application: Application) -> str:
    """Where other processes reach the application's Ray."""
    raylet, *_ = application.pids("--gcs-address=")
    command = Path(f"/proc/{raylet}/cmdline").read_text()
    return command.partition("--gcs-address=")[2].partition("\0")[0]


async def _read(
    process: asyncio.subprocess.Process, seen: list[tuple[float, Counts]], begun: asyncio.Event
) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        if line.startswith(b"{"):
            seen.append((time.monotonic(), json.loads(line)))
            begun.set()


def main() -> None:
    """Prints counts until the process is ended."""
    from serve_app.local_ray import prepare_environment
    from serve_app.settings import Settings

    prepare_environment(Settings.from_env({}, fast_path=False))
    import ray
    from ray import serve

    ray.init(sys.argv[1], namespace="serve", log_to_driver=False)
    while True:
        found = serve.status().applications["default"].deployments
        print(json.dumps({name: dict(one.replica_states) for name, one in found.items()}), flush=True)
        time.sleep(EVERY_S)


if __name__ == "__main__":
    main()
