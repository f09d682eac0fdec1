"""Serve accepts the configurations that ship, and they say who can connect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from serve_app import scaling
from serve_app.settings import Settings

ROOT = Path(__file__).parents[3]
DEPLOYMENTS = {
    "Ingress",
    "Support",
    "BusinessGeneration",
    "Documentation",
    "TokenCache",
    "Knowledge",
    "Engine",
}


def _read(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


@pytest.mark.parametrize("path", ["serve_app/config/one_machine.yaml", "serve_app/config/cluster.yaml"])
def test_serve_accepts_the_configuration(path: str) -> None:
    """Its own schema; every deployment named in it exists."""
    schema = ServeDeploySchema.model_validate(_read(path))
    (application,) = schema.applications
    assert application.import_path == "serve_app:build_app"
    assert {deployment.name for deployment in application.deployments} <= DEPLOYMENTS


def test_on_one_machine_http_is_on_loopback() -> None:
    """Without API keys, any client can act as any tenant."""
    assert _read("serve_app/config/one_machine.yaml")["http_options"]["host"] == "127.0.0.1"


def test_the_clusters_arguments_are_settings() -> None:
    """And none is a secret; the shared ones come from each node's environment."""
    (application,) = _read("serve_app/config/cluster.yaml")["applications"]
    environ = {"WARMLINE_API_KEYS": "0123456789abcdef=tenant"}
    settings = Settings.from_env(environ, **application["args"])
    assert settings.engine_gpus == 1
    assert set(application["args"]).isdisjoint({"redis_url", "database_url", "secret", "api_keys"})


def test_engines_have_nodes_of_their_own_and_one_for_updates() -> None:
    """A rolling update starts an engine before it stops one. Other replicas would fill such nodes."""
    (application,) = _read("serve_app/config/cluster.yaml")["applications"]
    gpu_worker = _read("cluster.yaml")["available_node_types"]["gpu_worker"]
    assert gpu_worker["max_workers"] > application["args"]["engine_max_replicas"]
    (engine,) = (one for one in application["deployments"] if one["name"] == "Engine")
    assert engine["max_surge_percent"] > 0
    reserved = scaling.engine(Settings.from_env({}, engine_gpus=1))["ray_actor_options"]
    assert gpu_worker["resources"] == {"CPU": 0, "GPU": 1}
    assert reserved == {"num_cpus": 0, "num_gpus": 1}


def test_replicas_reserve_what_makes_ray_add_nodes() -> None:
    """An agent at its maximum needs more than the head, so that load adds nodes."""
    (application,) = _read("serve_app/config/cluster.yaml")["applications"]
    most, head_cpus = application["args"]["agent_max_replicas"], 4
    for deployment in application["deployments"]:
        if deployment["name"] in {"Support", "BusinessGeneration", "Documentation"}:
            assert deployment["ray_actor_options"]["num_cpus"] * most >= head_cpus
