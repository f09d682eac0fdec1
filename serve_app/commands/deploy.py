"""`warmline deploy` and `warmline rollback`: a Serve configuration on a running Ray cluster."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serve_app.commands.terminal import clean

if TYPE_CHECKING:
    from serve_app.rollout import Rollout

Dashboard = Annotated[
    str, typer.Option("--dashboard", envvar="RAY_DASHBOARD_ADDRESS", help="Address of Ray's dashboard.")
]
Within = Annotated[float, typer.Option("--within-s", min=1, help="How many seconds it may take.")]
_DASHBOARD = "http://127.0.0.1:8265"
_WITHIN_S = 1800.0
"""A new node starts in minutes, and downloads and loads a model."""


def deploy(
    file: Annotated[Path, typer.Argument(help="A configuration as of serve_app/config/cluster.yaml.")],
    dashboard: Dashboard = _DASHBOARD,
    within_s: Within = _WITHIN_S,
) -> None:
    """Deploys a Serve configuration to a running Ray cluster and waits until it runs.

    Replicas are replaced one by one. What ran before is kept for `warmline rollback`.
    """
    from serve_app.rollout import read_config

    config = read_config(file)
    _rollout(dashboard).deploy(config, within_s)


def rollback(dashboard: Dashboard = _DASHBOARD, within_s: Within = _WITHIN_S) -> None:
    """Deploys what ran before the last `warmline deploy` from this machine; a second rollback undoes it."""
    _rollout(dashboard).roll_back(within_s)


def _rollout(dashboard: str) -> Rollout:
    from serve_app.rollout import Rollout, cluster_at
    from serve_app.settings import Settings

    before = Settings.from_env(os.environ).state_dir / "deployed_before.yaml"
    return Rollout(cluster_at(dashboard), before, lambda line: typer.echo(clean(line)))
