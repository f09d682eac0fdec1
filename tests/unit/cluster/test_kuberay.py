"""The manifest for Kubernetes: KubeRay's schema has all its fields, and its parts fit together."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "serve_app" / "config"


def documents() -> dict[str, Any]:
    """The manifest's objects by kind."""
    return {one["kind"]: one for one in yaml.safe_load_all((CONFIG / "kuberay.yaml").read_text())}


def merged(target: Any, patch: Any) -> Any:
    """A merge patch applied, as `kubectl patch --type merge` does."""
    if not isinstance(target, dict) or not isinstance(patch, dict):
        return patch
    return {**target, **{key: merged(target.get(key), value) for key, value in patch.items()}}


def incremental() -> Any:
    """The RayService that moves to a new cluster in steps."""
    patch = yaml.safe_load((CONFIG / "kuberay_incremental.yaml").read_text())
    return merged(documents()["RayService"], patch)


def closed(schema: Any) -> Any:
    """The schema without room for unknown fields, which Kubernetes would drop in silence."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: closed(part) for key, part in schema.items()}
    return {"additionalProperties": False, **parts} if isinstance(parts.get("properties"), dict) else parts


def check(service: Any) -> None:
    """Raises ValidationError for what KubeRay's schema does not have."""
    schema = yaml.safe_load((Path(__file__).parent / "kuberay_schema.yaml").read_text())
    jsonschema_rs.validate(closed(schema), service)


def pods(service: Any) -> list[Any]:
    """The pod templates, the head's first."""
    cluster = service["spec"]["rayClusterConfig"]
    return [group["template"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]


@pytest.mark.parametrize("service", [documents()["RayService"], incremental()], ids=["all", "in steps"])
def test_kuberay_accepts_the_manifest(service: Any) -> None:
    """Also what its operator checks beyond the schema."""
    check(service)
    options = service["spec"]["upgradeStrategy"].get("clusterUpgradeOptions")
    if options:
        assert 0 < options["stepSizePercent"] <= options["maxSurgePercent"] <= 100
        assert service["spec"]["rayClusterConfig"]["enableInTreeAutoscaling"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda service: service["spec"].update(rayClusterSpec={}),
        lambda service: service["spec"]["rayClusterConfig"]["workerGroupSpecs"][0].pop("minReplicas"),
        lambda service: pods(service)[1]["spec"]["containers"][0].update(enviFrom=[]),
        lambda service: pods(service)[0]["spec"]["securityContext"].update(runAsUser="warmline"),
    ],
)
def test_the_schema_refuses_what_kuberay_would(spoil: Callable[[Any], Any]) -> None:
    """An unknown field, a missing one, one of a pod, and a wrong type."""
    service = documents()["RayService"]
    spoil(service)
    with pytest.raises(jsonschema_rs.ValidationError):
        check(service)


def test_it_deploys_the_same_as_other_clusters_do() -> None:
    """One Serve configuration, in two files."""
    inline = yaml.safe_load(documents()["RayService"]["spec"]["serveConfigV2"])
    assert inline == yaml.safe_load((CONFIG / "cluster.yaml").read_text())


def test_ray_is_the_version_of_the_locks() -> None:
    """KubeRay chooses probes by it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    version = documents()["RayService"]["spec"]["rayClusterConfig"]["rayVersion"]
    assert f"ray[serve]=={version}" in project["dependencies"]


def test_every_pod_has_image_settings_and_no_privileges() -> None:
    """All run as the image's user, and are found by the budget and the network policy."""
    objects = documents()
    templates = pods(objects["RayService"])
    assert len({template["spec"]["containers"][0]["image"] for template in templates}) == 1
    selected = [
        objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ]
    for template in templates:
        (container,) = template["spec"]["containers"]
        assert container["envFrom"] == [{"secretRef": {"name": "warmline"}}]
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert template["spec"]["securityContext"]["runAsUser"] == 1000
        assert container["resources"]["requests"].keys() == container["resources"]["limits"].keys()
        assert selected == [template["metadata"]["labels"]] * 2


def test_there_are_gpus_for_all_engines() -> None:
    """One node with a GPU for each replica of Engine, and one for rolling updates."""
    service = documents()["RayService"]
    serve = yaml.safe_load(service["spec"]["serveConfigV2"])
    replicas = serve["applications"][0]["args"]["engine_max_replicas"]
    gpu = service["spec"]["rayClusterConfig"]["workerGroupSpecs"][-1]
    assert gpu["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert gpu["maxReplicas"] == replicas + 1  # a rolling update starts one before it stops another


def test_only_the_api_is_open_to_all() -> None:
    """Whoever reaches Ray's ports with the token runs code."""
    rules = documents()["NetworkPolicy"]["spec"]["ingress"]
    assert [rule["ports"] for rule in rules if "from" not in rule] == [[{"port": 8000}]]
