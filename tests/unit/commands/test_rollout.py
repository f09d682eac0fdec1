"""`warmline deploy` and `rollback` against a cluster that a test moves from state to state."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import ConfigurationError, DeadlineExceeded, InvalidRequest, NotFound
from serve_app.rollout import MAX_FILE_BYTES, Rollout, read_config

SHIPPED = Path(__file__).parents[3] / "serve_app" / "config" / "cluster.yaml"
NOT_FOUND_IN_TIME = 5


def config(order: str) -> dict[str, Any]:
    """A configuration that differs by one setting."""
    return {
        "proxy_location": "EveryNode",
        "applications": [{"name": "default", "import_path": "serve_app:build_app", "args": {"order": order}}],
    }


class FakeCluster:
    """After two looks, what was deployed last has the status that `ends_as` was then."""

    def __init__(self) -> None:
        self.deployed: list[dict[str, Any]] = []
        self.ends_as = "RUNNING"
        self.refuses = False
        self._looks = 0
        self._last_ends_as = ""

    def get_serve_details(self) -> dict[str, Any]:
        if not self.deployed:
            return {"applications": {}}
        self._looks += 1
        status = self._last_ends_as if self._looks > 2 else "DEPLOYING"
        application = {
            "status": status,
            "message": "",
            "last_deployed_time_s": float(len(self.deployed)),
            "deployed_app_config": self.deployed[-1]["applications"][0],
            "deployments": {"Engine": {"status": "UPDATING", "message": "0 of 1"}},
        }
        return {"proxy_location": "EveryNode", "applications": {"default": application}}

    def deploy_applications(self, config: dict[str, Any]) -> None:
        if self.refuses:
            raise RuntimeError("Request failed with status code 400")
        self.deployed.append(config)
        self._last_ends_as = self.ends_as
        self._looks = 0

    def orders(self) -> list[str]:
        """The setting of each deployed configuration."""
        return [one["applications"][0]["args"]["order"] for one in self.deployed]


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def rollout(cluster: FakeCluster, lines: list[str], tmp_path: Path) -> Rollout:
    now_s = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now_s
        now_s += seconds

    return Rollout(cluster, tmp_path / "state" / "before.yaml", lines.append, lambda: now_s, sleep)


def test_a_deployment_ends_when_the_new_application_runs(cluster, rollout, lines):
    """Each state is reported once, with the deployments that are not healthy yet."""
    rollout.deploy(config("rank"), 60)
    assert cluster.orders() == ["rank"]
    assert lines == ["default: DEPLOYING, Engine UPDATING 0 of 1", "default: RUNNING, Engine UPDATING 0 of 1"]


def test_a_rollback_restores_what_ran_before_and_a_second_one_undoes_it(cluster, rollout):
    """The same configuration deployed twice is not what ran before."""
    for order in ("rank", "trie", "trie"):
        rollout.deploy(config(order), 60)
    rollout.roll_back(60)
    rollout.roll_back(60)
    assert cluster.orders() == ["rank", "trie", "trie", "rank", "trie"]


def test_a_failed_configuration_is_never_rolled_back_to(cluster, rollout):
    """After two failures in a row, the rollback still restores what was healthy."""
    rollout.deploy(config("rank"), 60)
    cluster.ends_as = "DEPLOY_FAILED"
    for order in ("trie", "best_last"):
        with pytest.raises(InvalidRequest, match="rollback"):
            rollout.deploy(config(order), 60)
    cluster.ends_as = "RUNNING"
    rollout.roll_back(60)
    assert cluster.orders()[-1] == "rank"


def test_without_an_earlier_configuration_there_is_no_rollback(rollout):
    """The error names the file that would keep it."""
    with pytest.raises(NotFound, match=r"before\.yaml"):
        rollout.roll_back(60)


def test_a_deployment_that_takes_too_long_or_is_refused_is_reported(cluster, rollout):
    """A deployment goes on after its time is over."""
    cluster.ends_as = "DEPLOYING"
    with pytest.raises(DeadlineExceeded):
        rollout.deploy(config("rank"), NOT_FOUND_IN_TIME)
    cluster.refuses = True
    with pytest.raises(InvalidRequest, match="400"):
        rollout.deploy(config("trie"), 60)


@given(st.binary(max_size=60))
def test_any_other_file_is_refused(tmp_path_factory, content):
    """With an error for people, whatever is in the file."""
    file = tmp_path_factory.mktemp("any") / "serve.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError):
        read_config(file)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda file: file.unlink(), "can't read"),
        (lambda file: file.write_text("a: [" + " " * MAX_FILE_BYTES), str(MAX_FILE_BYTES)),
        (lambda file: file.write_text("applications: [{name: default}]"), "import_path"),
    ],
)
def test_a_wrong_file_is_refused_with_its_fault(
    tmp_path: Path, spoil: Callable[[Path], Any], says: str
) -> None:
    """The shipped configuration is read; with a fault it is not."""
    file = tmp_path / "serve.yaml"
    shutil.copy(SHIPPED, file)
    assert read_config(file) == yaml.safe_load(SHIPPED.read_text())
    spoil(file)
    with pytest.raises(ConfigurationError, match=says):
        read_config(file)
