"""Runs callers, killed processes and new deployments together, and checks the promises on every response.

    python -m tests.chaos [--minutes 30] [--seed 1] [--kill-every 20] [--deploy-every 300]

Starts the application with its embedded stores; variables such as REDIS_URL and DATABASE_URL choose others.
Prints the requests by kind and outcome, what was killed and deployed, and the violations. The exit status is
1 if there was one. Errors are no violations: a killed engine cannot answer.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from aiohttp import ClientSession, ClientTimeout, TCPConnector

from serve_app.local_models import local_models
from serve_app.settings import Settings
from tests.bench.harness.report import as_table
from tests.bench.harness.surroundings import BENCH_MODEL, model_dir
from tests.chaos.auditor import Auditor
from tests.chaos.pinger import Pinger
from tests.chaos.reaper import Reaper
from tests.chaos.rooms import ROOMS, TENANTS, Written
from tests.chaos.upgrader import Upgrader
from tests.integration.application.running import Application, running_application

ASKERS = 6
WRITE_PAUSE_S = 2.0
CALM_S = 45.0
"""Until the last killed process is back, before everything is verified."""
PASSED_ON = ("REDIS_URL", "DATABASE_URL", "WARMLINE_SECRET")


async def chaos(
    application: Application, auditor: Auditor, written: Written, asked: argparse.Namespace
) -> None:
    """Runs for `asked.minutes`, verifies, and prints what happened."""
    rng = Random(asked.seed)
    reaper = Reaper(application, rng, asked.kill_every)
    upgrader = Upgrader(application, asked.deploy_every)
    timeout, connector = ClientTimeout(150), TCPConnector(limit=0)
    async with ClientSession(str(application.http.base_url), timeout=timeout, connector=connector) as session:
        pinger = Pinger(session, auditor, written)
        for tenant in TENANTS:
            for room in range(ROOMS):
                await pinger.store(written.next_edition(tenant, room))
        calls = [pinger.write(tenant, Random(rng.random()), WRITE_PAUSE_S) for tenant in TENANTS]
        calls += [pinger.ask(Random(rng.random())) for _ in range(ASKERS)]
        calling = asyncio.gather(*calls)
        breaking = asyncio.gather(reaper.run(), upgrader.run())
        await asyncio.wait(
            [calling, breaking], timeout=asked.minutes * 60, return_when=asyncio.FIRST_COMPLETED
        )
        breaking.cancel()
        await asyncio.gather(breaking, return_exceptions=True)
        await asyncio.sleep(CALM_S)
        pinger.done = True
        await calling
        await pinger.verify()
    print(as_table(auditor.report()))
    print(f"killed: {dict(reaper.killed)}; deployed again: {dict(upgrader.deployed)}")
    print(f"verified: {len(pinger.kept)} tickets and turns, {len(written.versions)} changes of documents")
    print(f"{auditor.outcomes.total()} requests, {len(auditor.violations)} violations")


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kill-every", type=float, default=20.0, help="seconds between two killed processes")
    parser.add_argument("--deploy-every", type=float, default=300.0, help="seconds between two deployments")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that started processes are ended
    settings = Settings.from_env({}, model=BENCH_MODEL, model_dir=model_dir())
    written = Written()
    auditor = Auditor(local_models(settings, print).llm, written)
    given = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    with (
        TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as folder,
        running_application(Path(folder), model_dir(), WARMLINE_SAMPLES="false", **given) as application,
    ):
        asyncio.run(chaos(application, auditor, written, asked))
    raise SystemExit(1 if auditor.violations else 0)


if __name__ == "__main__":
    main()
