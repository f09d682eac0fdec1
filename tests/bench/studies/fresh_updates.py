"""Is anything answered from old text?

    python -m tests.bench.studies.fresh_updates [--updates 1000] [--replicas 3]

Starts the application with several replicas of each agent. One client changes documents, one change after
another, while others look them up. A look-up that is sent after a change has returned must find that version
or a later one, both in its citations and in the ids of its prompt. Prints how many did not.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from array import array
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from deployments.token_cache.bundle import load_bundle
from deployments.token_cache.encoder import BundleEncoder
from serve_app.local_models import local_models
from serve_app.settings import Settings
from tests.bench.harness.surroundings import BENCH_MODEL
from tests.integration.application.running import running_application

DOCUMENTS = 5
_BODY = "The weekly code word of room {room} is {word}. Ask at the front desk of room {room} for more."


class Check:
    """A writer and readers of a few documents, and what they have found."""

    def __init__(self, http: httpx.AsyncClient, encoder: BundleEncoder) -> None:
        self._http = http
        self._encoder = encoder
        self._returned = [0] * DOCUMENTS
        self._done = False
        self.update_ms: list[float] = []
        self.lookups = 0
        self.stale: list[str] = []
        self.failed: list[str] = []
        self.counts_wrong: list[Any] = []

    async def write(self, updates: int) -> None:
        """Changes the documents in turn, `updates` times in all."""
        for number in range(updates):
            room = number % DOCUMENTS
            await self._put(room, self._returned[room] + 1)
        self._done = True

    async def _put(self, room: int, version: int) -> None:
        content = _BODY.format(room=room, word=_word(room, version))
        path = f"/v1/collections/support_kb/documents/room-{room}"
        start = time.perf_counter()
        answer = await self._http.put(path, json={"title": f"Room {room}", "content": content})
        self.update_ms.append((time.perf_counter() - start) * 1000)
        body = answer.json()
        if answer.status_code != 200 or body["version"] != version:
            self.failed.append(answer.text)
        if body.get("invalidated") != (1 if version > 1 else 0):
            self.counts_wrong.append(body)
        self._returned[room] = version

    async def read(self, reader: int) -> None:
        """Looks documents up until all changes are made."""
        room = reader % DOCUMENTS
        while not self._done:
            room = (room + 1) % DOCUMENTS
            returned = self._returned[room]
            if not returned:
                await asyncio.sleep(0.01)
                continue
            asked = {"agent": "support", "query": f"What is the code word of room {room}?"}
            answer = await self._http.post("/v1/cache/tokens", json=asked)
            self.lookups += 1
            if answer.status_code != 200:
                self.failed.append(answer.text)
                continue
            self._judge(room, returned, answer.json())

    def _judge(self, room: int, returned: int, found: dict[str, Any]) -> None:
        cited = {c["doc_id"]: c["version"] for c in found["metadata"]["citations"]}
        version = cited.get(f"room-{room}", 0)
        text = self._encoder.decode(array("I", found["token_ids"]))
        if version < returned or _word(room, version) not in text:
            self.stale.append(f"room {room}: version {version}, {returned} had returned")


def _word(room: int, version: int) -> str:
    return f"w{room}x{version}y"


async def check(url: str, encoder: BundleEncoder, updates: int, readers: int) -> Check:
    """Runs the writer and the readers at the same time."""
    async with httpx.AsyncClient(base_url=url, timeout=60, headers={"x-business-id": "rooms"}) as http:
        running = Check(http, encoder)
        await asyncio.gather(running.write(updates), *(running.read(n) for n in range(readers)))
    return running


def main() -> None:
    """Prints the counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--updates", type=int, default=1000)
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--readers", type=int, default=6)
    asked = parser.parse_args()
    settings = Settings.from_env({}, model=BENCH_MODEL)
    model = local_models(settings, print).llm
    encoder = BundleEncoder(load_bundle(model))
    replicas = {"WARMLINE_AGENT_MIN_REPLICAS": str(asked.replicas), "WARMLINE_SAMPLES": "false"}
    with (
        tempfile.TemporaryDirectory() as folder,
        running_application(Path(folder), settings.models, **replicas) as application,
    ):
        done = asyncio.run(check(str(application.http.base_url), encoder, asked.updates, asked.readers))
    ordered = sorted(done.update_ms)
    p99 = ordered[len(ordered) * 99 // 100]
    print(f"{len(ordered)} updates, median {median(ordered):.0f} ms, p99 {p99:.0f} ms")
    print(f"{done.lookups} look-ups on {asked.replicas} replicas of the agent")
    print(f"answered from old text: {len(done.stale)} {done.stale[:3]}")
    print(f"failed: {len(done.failed)} {done.failed[:3]}; wrong counts: {done.counts_wrong[:3]}")


if __name__ == "__main__":
    main()
