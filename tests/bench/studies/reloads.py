"""Do requests get lost while HAProxy is reloaded?

    python -m tests.bench.studies.reloads [--waves 10] [--clients 60]

Serve reloads HAProxy when an ingress replica is added or removed. Starts the application with short scaling
delays. In each wave many clients ask, so that the ingress grows, and then few, so that it shrinks again; all
of them keep their connections, also over the reloads. Prints how often HAProxy was started, and the answers
by HTTP status or exception. The exit status is 1 if a request got no answer, or if there was no reload.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from random import Random

from aiohttp import ClientSession, ClientTimeout, TCPConnector

from tests.bench.harness.surroundings import model_dir
from tests.bench.studies.scaling import DELAYS, Tally, client
from tests.integration.application.running import Application, command_line, running_application
from tests.listeners import family

FEW = 4
GROWING_S, SHRINKING_S = 8.0, 14.0
_SETTINGS = DELAYS | {"WARMLINE_INGRESS_MAX_REPLICAS": "2", "WARMLINE_DOWNSCALE_DELAY_S": "3"}


async def run(application: Application, waves: int, clients: int) -> tuple[Tally, set[int]]:
    """Runs the waves; returns the answers, and the pids of all HAProxy processes."""
    tally, seen = Tally(), set[int]()
    connector, timeout = TCPConnector(limit=0, keepalive_timeout=60), ClientTimeout(150)
    base = str(application.http.base_url)
    async with ClientSession(base, connector=connector, timeout=timeout) as session:
        watching = asyncio.create_task(_watch(application, seen))
        for wave in range(waves):
            for count, for_s in ((clients, GROWING_S), (FEW, SHRINKING_S)):
                until_s = time.monotonic() + for_s
                asking = (client(session, until_s, Random(wave + n), tally) for n in range(count))
                await asyncio.gather(*asking)
        watching.cancel()
    return tally, seen


async def _watch(application: Application, seen: set[int]) -> None:
    while True:
        for pid in await asyncio.to_thread(family, application.process.pid):
            if "haproxy -db" in command_line(pid):
                seen.add(pid)
        await asyncio.sleep(0.3)


def main() -> None:
    """Starts the application, makes it scale, and prints what happened."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--waves", type=int, default=10)
    parser.add_argument("--clients", type=int, default=60)
    asked = parser.parse_args()
    state_dir = Path(tempfile.mkdtemp(prefix="reloads-"))
    with running_application(state_dir, model_dir(), **_SETTINGS) as application:
        tally, seen = asyncio.run(run(application, asked.waves, asked.clients))
    print(f"HAProxy was started {len(seen)} times, so it was reloaded {len(seen) - 1} times")
    print(f"{tally.statuses.total()} requests: {json.dumps(tally.statuses)} {tally.errors or ''}")
    print(f"the slowest answer took {tally.slowest_s:.1f} s")
    raise SystemExit(1 if tally.lost or len(seen) < 2 else 0)


if __name__ == "__main__":
    main()
