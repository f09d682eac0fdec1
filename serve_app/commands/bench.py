"""`warmline bench`: the benchmark, which only a checkout has."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import typer

from deployments.core.errors import ConfigurationError

ANY_OPTIONS = {"allow_extra_args": True, "ignore_unknown_options": True}
"""The command's context settings: the benchmark reads its options itself."""


def bench(context: typer.Context) -> None:
    """Runs the benchmark. Options: --short, --only PART,..., --peer NAME=URL and --seed N."""
    checkout = Path(__file__).parents[2]
    if not (checkout / "tests" / "bench" / "run.py").exists():
        raise ConfigurationError("an installed package has no benchmark: run `make bench` in a checkout")
    if find_spec("matplotlib") is None:
        raise ConfigurationError("the benchmark's packages are not installed: run `make bench` instead")
    os.chdir(checkout)
    os.execv(sys.executable, [sys.executable, "-m", "tests.bench.run", *context.args])  # noqa: S606  no shell
