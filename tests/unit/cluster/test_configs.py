"""Serve accepts the configurations that ship, and they say who can connect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

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
