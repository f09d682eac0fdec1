"""Deploys the application again while it runs, so that Serve replaces every replica.

`python -m tests.chaos.upgrader GCS_ADDRESS` does it once, with the settings of the environment. It is a
process of its own, as `warmline deploy` from another terminal would be.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from contextlib import suppress

from tests.bench.harness.replica_counts import gcs_address
from tests.integration.application.running import ROOT, Application

WITHIN_S = 400.0


class Upgrader:
    """Deploys each `every_s` seconds. `deployed` counts deployments by their outcome."""

    def __init__(self, application: Application, every_s: float) -> None:
        self.deployed: Counter[str] = Counter()
        self._application = application
        self._every_s = every_s

    async def run(self) -> None:
        """Deploys until it is cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            self.deployed[await self._deploy()] += 1

    async def _deploy(self) -> str:
        log = self._application.state_dir / "upgrader.log"
        command = (sys.executable, "-m", "tests.chaos.upgrader", gcs_address(self._application))
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, env=self._application.environ, stdout=output, stderr=output
            )
            try:
                async with asyncio.timeout(WITHIN_S):
                    return "done" if await process.wait() == 0 else "failed"
            except TimeoutError:
                return "late"
            finally:
                with suppress(ProcessLookupError):
                    process.kill()


def main() -> None:
    """Deploys once."""
    from serve_app.local_ray import prepare_environment
    from serve_app.settings import Settings

    prepare_environment(Settings.from_env(os.environ))
    os.environ["RAY_ADDRESS"] = sys.argv[1]
    from ray import serve

    from serve_app.building import build

    serve.run(build({}))


if __name__ == "__main__":
    main()
