"""A cluster to try: `cluster.yaml`, changed in few places, on the cloud here.

Redis and PostgreSQL run outside of the cluster, as managed servers do.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.cluster.cloud import HEAD, KIND_TAG, TYPE_TAG, Cloud, Instance, served
from tests.cluster.host import ROOT, Network, network
from tests.cluster.own_network import in_network_of
from tests.postgres import PostgresServer, find_binaries

SIZES: Mapping[str, dict[str, float]] = {
    # The CPUs of the instances in cluster.yaml; engines run on the CPU here, and what Ray takes for a GPU
    # places them.
    HEAD: {"CPU": 4},
    "cpu_worker": {"CPU": 2},
    "gpu_worker": {"CPU": 0, "GPU": 1},
}
IDLE_MINUTES = 0.75
"""How long a node without replicas stays: longer than the 30 s for which Serve drains its proxy."""
_PORT, _REDIS_PORT = 8000, 6380
_KEY, _OPERATORS_KEY = "key-of-the-cluster-check", "operators-key-of-the-check"
_OBJECT_STORE_BYTES = 200 * 2**20
_START = """
. ~/.warmline && cd ~/warmline && export PYTHONPATH=$PWD &&
fast=$(.venv/bin/warmline fast-path) && eval "$fast" && .venv/bin/ray start """
"""How a node starts Ray, as in cluster.yaml: with the settings and the fast path's variables."""
_AS_HEAD = "--head --port=6379 --dashboard-host=127.0.0.1 --autoscaling-config=~/ray_bootstrap_config.yaml"
_AS_WORKER = "--address=$RAY_HEAD_IP:6379"
_SHORTER = {
    # The same code with shorter periods, since the check lasts minutes and not hours.
    "AUTOSCALER_UPDATE_INTERVAL_S": "2",
    "RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "1",
    "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "1",
    # All hosts share this machine's memory, so that Ray would kill workers of a busy machine.
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "VLLM_NO_USAGE_STATS": "1",
}


class Bed:
    """A running cluster."""

    def __init__(self, cloud: Cloud, head: Instance, environ: Mapping[str, str]) -> None:
        self.cloud = cloud
        self.head = head
        self._environ = environ
        self.key, self.operators_key = _KEY, _OPERATORS_KEY

    @property
    def url(self) -> str:
        """Where the head serves the application."""
        return f"http://{self.head.host.address}:{_PORT}"

    def deploy(self, config: Mapping[str, Any]) -> None:
        """`serve deploy` of a configuration, on the head. Returns when Serve has taken it."""
        (self.head.host.home / "serve.yaml").write_text(yaml.safe_dump(config))
        self.head.host.run("cd ~/warmline && .venv/bin/serve deploy ~/serve.yaml", self._environ)

    def status(self) -> dict[str, Any]:
        """What Serve's REST API on the head says of its applications, proxies and replicas."""
        token = (self.head.host.home / ".ray/auth_token").read_text()
        with in_network_of(self.head.host.pid):
            answer = httpx.get(
                "http://127.0.0.1:8265/api/serve/applications/",
                headers={"authorization": f"Bearer {token}"},
                timeout=30,
            )
        answer.raise_for_status()
        status: dict[str, Any] = answer.json()
        return status

    def wait_until_running(self, within_s: float) -> None:
        """Waits until Serve reports that the application runs. Raises RuntimeError if it fails or is late."""
        self.wait(self._runs, within_s, "the application does not run")

    def _runs(self) -> bool:
        application = self.status()["applications"].get("default", {})
        if application.get("status") in ("DEPLOY_FAILED", "UNHEALTHY"):
            raise RuntimeError(json.dumps(application, indent=1)[:8000])
        return bool(application.get("status") == "RUNNING")

    def wait(self, condition: Callable[[], bool], within_s: float, what: str) -> None:
        """Waits for a condition. Raises RuntimeError with `what` and Serve's status if it comes too late."""
        until_s = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > until_s:
                raise RuntimeError(f"{what} after {within_s:.0f} s: {json.dumps(self.status())[:8000]}")
            time.sleep(1)


@contextmanager
def cluster(folder: Path, models: Path) -> Iterator[Bed]:
    """A cluster of a head and, as Ray's autoscaler launches them, workers. `models` has the embedded model.

    All that runs ends at the end. `folder` keeps the hosts' home folders with their logs.
    """
    with ExitStack() as stack:
        net = stack.enter_context(network())
        settings = {
            "REDIS_URL": stack.enter_context(_redis(net, folder)),
            "DATABASE_URL": stack.enter_context(_postgres(net)),
            "WARMLINE_SECRET": secrets.token_hex(32),
            "WARMLINE_API_KEYS": f"{_KEY}=default,{_OPERATORS_KEY}=*",
            "WARMLINE_MODEL_DIR": "$HOME/models",  # as a machine's image would bring them
            "WARMLINE_REDIS_TIMEOUT_MS": "1000",  # a busy machine must not look like a cache that is down
        }
        nodes = Nodes(settings, _ray_config())
        cloud = Cloud(net, folder, models, nodes.begin)
        stack.callback(cloud.end_all)
        nodes.config["provider"]["url"] = stack.enter_context(served(cloud, net.gateway))
        head = cloud.launch({KIND_TAG: "head", TYPE_TAG: HEAD})
        bed = Bed(cloud, head, nodes.environ(head))
        nodes.wait_for_ray(head)
        yield bed


def _ray_config() -> dict[str, Any]:
    """cluster.yaml as `ray up` leaves it on the head, for the cloud here."""
    from ray.autoscaler._private.util import prepare_config

    config: dict[str, Any] = prepare_config(yaml.safe_load((ROOT / "cluster.yaml").read_text()))
    for name, size in SIZES.items():
        config["available_node_types"][name] |= {"resources": dict(size), "node_config": {}}
    module = "tests.cluster.provider.HostProvider"
    provider = {"type": "external", "module": module, "disable_node_updaters": True}
    return config | {"provider": provider, "idle_timeout_minutes": IDLE_MINUTES}


class Nodes:
    """Starts Ray on new hosts as Ray's updater does on machines."""

    def __init__(self, settings: Mapping[str, str], config: dict[str, Any]) -> None:
        self._settings = settings
        self.config = config
        self._token = secrets.token_hex(32)
        self._head_address = ""

    def begin(self, instance: Instance) -> None:
        """Gives a host its files, and starts Ray on it. Does not wait."""
        is_head = instance.type == HEAD
        home = instance.host.home
        if is_head:
            self._head_address = instance.host.address
            (home / "ray_bootstrap_config.yaml").write_text(yaml.safe_dump(self.config))
        (home / ".ray").mkdir(mode=0o700)
        (home / ".ray/auth_token").write_text(self._token)
        lines = (f'export {name}="{value}"\n' for name, value in self._settings.items())
        (home / ".warmline").write_text("".join(lines))
        start = _START + (_AS_HEAD if is_head else _AS_WORKER)
        instance.host.start(start, self.environ(instance))

    def environ(self, instance: Instance) -> dict[str, str]:
        """What Ray's updater gives the commands on a node, and shorter periods."""
        resources = {**SIZES[instance.type], "object_store_memory": _OBJECT_STORE_BYTES}
        return {
            **_SHORTER,
            "RAY_AUTH_MODE": "token",
            "RAY_HEAD_IP": self._head_address,
            "RAY_CLOUD_INSTANCE_ID": instance.id,
            "RAY_NODE_TYPE_NAME": instance.type,
            "RAY_OVERRIDE_RESOURCES": json.dumps(resources),
            **({"RAY_enable_autoscaler_v2": "1"} if instance.type == HEAD else {}),
        }

    def wait_for_ray(self, head: Instance) -> None:
        """Waits until the head's dashboard answers. Raises RuntimeError with its output if it does not."""
        until_s = time.monotonic() + 120
        while True:
            try:
                with in_network_of(head.host.pid):
                    httpx.get("http://127.0.0.1:8265/api/version", timeout=5)
                return
            except httpx.TransportError as error:
                if time.monotonic() > until_s:
                    output = head.host.output.read_text()[-4000:]
                    raise RuntimeError(f"Ray did not start:\n{output}") from error
                time.sleep(0.5)


@contextmanager
def _redis(net: Network, folder: Path) -> Iterator[str]:
    """Debian's Redis, on the network's gateway; gives its URL."""
    binary, password = shutil.which("redis-server"), secrets.token_hex(16)
    assert binary, "Debian's package redis-server is missing"
    words = ["--bind", net.gateway, "--port", str(_REDIS_PORT), "--requirepass", password, "--save", ""]
    process = subprocess.Popen(
        [binary, *words, "--maxmemory", "256mb", "--maxmemory-policy", "volatile-lfu", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield f"redis://:{password}@{net.gateway}:{_REDIS_PORT}/0"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _postgres(net: Network) -> Iterator[str]:
    """Debian's PostgreSQL, on the network's gateway; gives its URL."""
    binaries = find_binaries()
    assert binaries, "Debian's package postgresql is missing"
    # Not the check's folder: the server's own user must get there.
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as own:
        server = PostgresServer(binaries, Path(own), listen=net.gateway, clients=f"{net.prefix}.0/24")
        try:
            yield server.url
        finally:
            server.stop()
