"""`cluster.yaml`, also with the replacements for other providers: Ray accepts it, its commands are right."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from serve_app.settings import Settings

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "serve_app" / "config"
HEAD = "10.0.0.1"
OWN_TYPES = {"head", "cpu_worker", "gpu_worker"}


def launched(replacements: str = "") -> Any:
    """The cluster's file, followed by a file of replacements, as the comments say to join them."""
    files = [ROOT / "cluster.yaml", *([CONFIG / replacements] if replacements else [])]
    return yaml.safe_load("".join(file.read_text() for file in files))


def commands(cluster: Any, kind: str) -> list[str]:
    """The commands that start Ray on a head or a worker."""
    found: list[str] = cluster[f"{kind}_start_ray_commands"]
    return found


@pytest.mark.parametrize(
    ("replacements", "provider", "types"),
    [
        ("", "aws", OWN_TYPES),
        ("ray_gcp.yaml", "gcp", OWN_TYPES),
        ("ray_on_premise.yaml", "local", {"local.cluster.node"}),
    ],
)
def test_rays_launcher_accepts_the_cluster(replacements: str, provider: str, types: set[str]) -> None:
    """Its own preparation and validation, as `ray up` does them."""
    prepared = prepare_config(launched(replacements))
    validate_config(prepared)
    assert prepared["provider"]["type"] == provider
    assert set(prepared["available_node_types"]) == types
    assert prepared["head_node_type"] in types
    assert prepared["docker"]["container_name"] == "warmline"


@pytest.mark.parametrize("replacements", ["", "ray_gcp.yaml"])
def test_nodes_are_as_many_as_the_serve_configuration_can_use(replacements: str) -> None:
    """Each engine replica takes a node with a GPU, and a rolling update one more."""
    serve = yaml.safe_load((CONFIG / "cluster.yaml").read_text())
    most = serve["applications"][0]["args"]["engine_max_replicas"]
    types = launched(replacements)["available_node_types"]
    gpu = types["gpu_worker"]
    assert (gpu["min_workers"], gpu["max_workers"]) == (1, most + 1)
    assert launched(replacements)["max_workers"] == gpu["max_workers"] + types["cpu_worker"]["max_workers"]


def test_gcp_says_what_its_machines_have() -> None:
    """Ray looks it up on AWS only; without it, no replica would find a place."""
    for kind, node in launched("ray_gcp.yaml")["available_node_types"].items():
        assert (node["resources"]["CPU"] >= 2) == (kind != "gpu_worker")
        assert ("GPU" in node["resources"]) == (kind == "gpu_worker")


def test_the_clusters_ray_is_closed() -> None:
    """The dashboard, which runs code, is on loopback; nodes have a token; GCS and Redis have own ports."""
    cluster = launched()
    options = " ".join(cluster["docker"]["run_options"])
    assert "RAY_AUTH_MODE=token" in options
    assert "RAY_AUTH_TOKEN_PATH=/etc/warmline/ray-token" in options
    assert "--dashboard-host=127.0.0.1" in commands(cluster, "head")[-1]
    assert "--port=6379" in commands(cluster, "head")[-1]
    redis = cluster["head_setup_commands"][0]
    assert "--port 6380" in redis
    assert "--requirepass" in redis


def test_every_node_has_the_settings_before_ray_starts() -> None:
    """Ray may build the application on any node, and the fast path's variables depend on the settings."""
    cluster = launched()
    assert cluster["file_mounts"] == {"/etc/warmline": "~/.warmline"}
    for kind in ("head", "worker"):
        start = commands(cluster, kind)[-1]
        order = [start.index(part) for part in ("RAY_HEAD_IP", "warmline fast-path", "ray start")]
        assert start.index(". /etc/warmline/env") < order[1] < order[2]
    assert commands(cluster, "head")[-1].startswith("export RAY_HEAD_IP=")  # workers get it from Ray


def test_the_commands_are_bash_and_stores_start_on_the_host() -> None:
    """Ray runs a command on the host only if it begins with `docker`."""
    cluster = launched()
    stores = cluster["head_setup_commands"]
    assert all(command.startswith("docker ") for command in stores)
    for command in [*stores, *commands(cluster, "head"), *commands(cluster, "worker")]:
        subprocess.run(["bash", "-n", "-c", command], check=True)


def test_the_comments_commands_write_settings_that_every_node_accepts(tmp_path: Path) -> None:
    """Runs them in an empty home. A node sources the file; PostgreSQL's container reads it as it is."""
    text = (ROOT / "cluster.yaml").read_text()
    step = text[text.index("# 2. ") : text.index("# 3. ")]
    script = "\n".join(re.findall(r"^# {6}(.*)$", step, re.MULTILINE))
    subprocess.run(["bash", "-euc", script], cwd=ROOT, env={**os.environ, "HOME": str(tmp_path)}, check=True)
    folder = tmp_path / ".warmline"
    assert {file.name for file in folder.iterdir()} == {"env", "ray-token", "serve.yaml"}
    assert all(file.stat().st_mode & 0o077 == 0 for file in [folder, *folder.iterdir()])
    assert re.fullmatch(r"[0-9a-f]{64}\n", (folder / "ray-token").read_text())
    exported = subprocess.run(
        ["bash", "-euc", "set -a; . .warmline/env; set +a; env"],
        cwd=tmp_path,
        env={"RAY_HEAD_IP": HEAD, "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    environ = dict(line.split("=", 1) for line in exported.splitlines())
    settings = Settings.from_env(environ, http_host="0.0.0.0")
    password = environ["POSTGRES_PASSWORD"]
    assert settings.on_postgresql
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == f"postgresql://warmline:{password}@{HEAD}/warmline"
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == f"redis://:{password}@{HEAD}:6380/0"
    assert settings.secret is not None
    assert set(settings.tenants_by_key().values()) == {"default"}
