"""The simulation finds every planted bug."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.simulation.planted_bugs import BUGS
from tests.simulation.test_simulation import ROOT

HOURS = 600
"""Simulated hours within which each is found."""


@pytest.fixture(scope="module")
def report() -> dict[str, str]:
    """What the command says of each bug."""
    command = [sys.executable, "-m", "tests.simulation", "--bug", "all", "--soon", "--hours", str(HOURS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    return dict(line.split(": ", 1) for line in done.stdout.splitlines())


@pytest.mark.parametrize("name", [bug.__name__ for bug in BUGS])
def test_a_planted_bug_is_found(report: dict[str, str], name: str) -> None:
    assert report[name].startswith("found")
