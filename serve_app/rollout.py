"""Deploys a Serve configuration to a running cluster, and rolls back to the one before."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import yaml
from pydantic import ValidationError
from ray.serve.schema import ServeDeploySchema

from deployments.core.errors import (
    ConfigurationError,
    DeadlineExceeded,
    InvalidRequest,
    NotFound,
)

MAX_FILE_BYTES = 2**20
"""Largest configuration that is read."""
POLL_EVERY_S = 1.0

Config = Mapping[str, Any]
"""A configuration of Serve, as in the file for `serve deploy`."""


class Cluster(Protocol):
    """The part of Ray's dashboard that deploys: `ServeSubmissionClient`."""

    def get_serve_details(self) -> dict[str, Any]:
        """What runs now."""
        ...

    def deploy_applications(self, config: dict[str, Any]) -> None:
        """Starts to deploy; returns at once. Raises RuntimeError if the cluster refuses the configuration."""
        ...


def cluster_at(dashboard: str) -> Cluster:
    """The cluster with this address of Ray's dashboard. Raises ConfigurationError if none answers there."""
    from ray.dashboard.modules.serve.sdk import ServeSubmissionClient

    try:
        client: Cluster = ServeSubmissionClient(dashboard)
    except ConnectionError:
        raise ConfigurationError(
            f"no Ray dashboard answers at {dashboard}: run this on the head, or run "
            "`ray dashboard cluster.yaml` in another terminal first"
        ) from None
    except ValueError:
        raise ConfigurationError(f"{dashboard} is no http:// or https:// address") from None
    return client


def read_config(file: Path) -> Config:
    """Reads a file for `serve deploy`. Raises ConfigurationError, which names the fields that are wrong."""
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise ConfigurationError(f"{file} has more than {MAX_FILE_BYTES} bytes")
        config = yaml.safe_load(file.read_text())
        ServeDeploySchema.model_validate(config)
    except OSError as error:
        raise ConfigurationError(f"can't read {file}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is no YAML: {error}") from None
    except ValidationError as error:
        raise ConfigurationError(f"{file} is no configuration of Serve: {error}") from None
    return dict(config)


class Rollout:
    """Deployments to one cluster.

    `before` is the file that keeps the configuration that ran before; `report` gets a line for each step;
    `clock` and `sleep` count seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        before: Path,
        report: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._cluster = cluster
        self._before = before
        self._report = report
        self._clock = clock
        self._sleep = sleep

    def deploy(self, config: Config, within_s: float) -> None:
        """Deploys `config` and returns when all its applications run.

        What ran until now becomes the configuration to roll back to, if it was healthy and differs.
        Raises InvalidRequest if the cluster refuses `config` or it fails, DeadlineExceeded after `within_s`.
        """
        details = self._cluster.get_serve_details()
        since = {name: one["last_deployed_time_s"] for name, one in details["applications"].items()}
        running = _running(details)
        if running is not None and _applications(running) != _applications(config):
            self._before.parent.mkdir(parents=True, exist_ok=True)
            self._before.write_text(yaml.safe_dump(running, sort_keys=False))
        try:
            self._cluster.deploy_applications(dict(config))
        except RuntimeError as error:
            raise InvalidRequest(f"Ray refused the configuration: {error}") from None
        self._wait(set(_applications(config)), since, self._clock() + within_s)

    def roll_back(self, within_s: float) -> None:
        """Deploys the configuration that ran before the last one; a second call undoes the first.

        Raises NotFound if there is none, and what `deploy` raises.
        """
        if not self._before.exists():
            raise NotFound(
                f"there is nothing to roll back to: {self._before}, which keeps what ran before the last "
                "`warmline deploy`, is not there"
            )
        self.deploy(read_config(self._before), within_s)

    def _wait(self, names: set[str], since: Mapping[str, float], until_s: float) -> None:
        said = ""
        while True:
            found = self._cluster.get_serve_details()["applications"]
            new = {
                name: found[name]
                for name in names & found.keys()
                if found[name]["last_deployed_time_s"] > since.get(name, 0.0)
            }
            state = "; ".join(_lines(new)) or "waiting for Serve's controller"
            if state != said:
                self._report(state)
            said = state
            if any(one["status"] == "DEPLOY_FAILED" for one in new.values()):
                raise InvalidRequest(
                    "the deployment failed, see above, and Serve refuses requests to what failed: `warmline "
                    "rollback` restores what ran before"
                )
            if new.keys() == names and all(one["status"] == "RUNNING" for one in new.values()):
                return
            if self._clock() > until_s:
                raise DeadlineExceeded("it is still deploying; it goes on, and `serve status` shows it")
            self._sleep(POLL_EVERY_S)


def _running(details: Mapping[str, Any]) -> Config | None:
    """The configuration of what runs; None if nothing does, if a part is not healthy, or if it was not
    deployed by a configuration."""
    applications = details["applications"].values()
    configs = [one.get("deployed_app_config") for one in applications if one["status"] == "RUNNING"]
    if not configs or len(configs) < len(applications) or not all(configs):
        return None
    options = {name: details[name] for name in ("proxy_location", "http_options") if details.get(name)}
    return {**options, "applications": configs}


def _applications(config: Config) -> dict[str, Any]:
    """The applications of a configuration by name, in a form that can be compared."""
    schema = ServeDeploySchema.model_validate(config)
    return {one.name: one.model_dump(exclude_unset=True) for one in schema.applications}


def _lines(applications: Mapping[str, Any]) -> Iterator[str]:
    """Each application's status and message, and its deployments that are not healthy."""
    for name, one in sorted(applications.items()):
        parts = [f"{name}: {one['status']}", one.get("message", "")]
        parts += [
            f"{deployment} {state['status']} {state.get('message', '')}".rstrip()
            for deployment, state in sorted(one.get("deployments", {}).items())
            if state["status"] != "HEALTHY"
        ]
        yield ", ".join(filter(None, parts))
