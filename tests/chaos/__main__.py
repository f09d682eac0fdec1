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
from typing import TypeAlias

from aiohttp import ClientSession, ClientTimeout, TCPConnector

from deployments.token_cache.bundle import load_bundle
from deployments.token_cache.encoder import BundleEncoder
from serve_app.local_models import local_models
from serve_app.settings import Settings
from tests.bench.harness.report import as_table
from tests.bench.harness.surroundings import BENCH_MODEL, model_dir
from tests.chaos.auditor import Auditor
from tests.chaos.pinger import Pinger
from tests.chaos.reaper import Reaper
from tests.chaos.rooms import ROOMS, TENANTS
from tests.chaos.upgrader import Upgrader
from tests.integration.application.running import Application, running_application

ASKERS = 6
WRITE_PAUSE_S = 2.0
CALM_S = 45.0
"""Until the last killed process is back, before everything is verified."""
Task: TypeAlias = "asyncio.Task[None]"
PASSED_ON = ("REDIS_URL", "DATABASE_URL", "WARMLINE_SECRET")


async def chaos(application: Application, auditor: Auditor, asked: argparse.Namespace) -> None:
    """Runs for `asked.minutes`, and verifies. Prints what happened, also if it is interrupted."""
    rng = Random(asked.seed)
    reaper = Reaper(application, rng, asked.kill_every)
    upgrader = Upgrader(application, asked.deploy_every)
    timeout, connector = ClientTimeout(150), TCPConnector(limit=0)
    async with ClientSession(str(application.http.base_url), timeout=timeout, connector=connector) as session:
        pinger = Pinger(session, auditor)
        try:
            await _begin(pinger)
            calls = [pinger.write(tenant, Random(rng.random()), WRITE_PAUSE_S) for tenant in TENANTS]
            calls += [pinger.ask(Random(rng.random())) for _ in range(ASKERS)]
            calling = [asyncio.create_task(call) for call in calls]
            breaking = [asyncio.create_task(reaper.run()), asyncio.create_task(upgrader.run())]
            await _for_a_while(breaking, calling, asked.minutes * 60)
            await asyncio.sleep(CALM_S)
            pinger.done = True
            await asyncio.gather(*calling)
            await pinger.verify()
        finally:
            print(as_table(auditor.report()))
            print(f"killed: {dict(reaper.killed)}; deployed again: {dict(upgrader.deployed)}")
            print(f"stored: {len(pinger.kept)} tickets and turns, {len(auditor.written.versions)} documents")
            print(f"{auditor.outcomes.total()} requests, {len(auditor.violations)} violations", flush=True)


async def _begin(pinger: Pinger) -> None:
    """Stores the first edition of each document."""
    for tenant in TENANTS:
        for room in range(ROOMS):
            await pinger.store(pinger.written.next_edition(tenant, room))


async def _for_a_while(breaking: list[Task], calling: list[Task], seconds: float) -> None:
    """Lets both run, then ends what breaks. Raises what one of them raises."""
    ended, _ = await asyncio.wait([*calling, *breaking], timeout=seconds, return_when="FIRST_EXCEPTION")
    for task in ended:  # none of them ends by itself
        task.result()
    for task in breaking:
        task.cancel()
    await asyncio.gather(*breaking, return_exceptions=True)


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
    bundle = load_bundle(local_models(settings, print).llm)
    auditor = Auditor(BundleEncoder(bundle), bundle.scaffold)
    given = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    with (
        TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as folder,
        running_application(Path(folder), model_dir(), WARMLINE_SAMPLES="false", **given) as application,
    ):
        asyncio.run(chaos(application, auditor, asked))
    raise SystemExit(1 if auditor.violations else 0)


if __name__ == "__main__":
    main()
