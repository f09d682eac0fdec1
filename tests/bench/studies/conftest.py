"""For the studies that need no engine and run under pytest: `python -m pytest tests/bench -s`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.bench.harness.report import RESULTS, machine, versions


@pytest.fixture(scope="session")
def results() -> Iterator[dict[str, Any]]:
    """Figures by name, written to bench-results/pytest.json at the end with machine and versions."""
    figures: dict[str, Any] = {"machine": machine(), "versions": versions()}
    yield figures
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / "pytest.json"
    file.write_text(json.dumps(figures, indent=1))
    print(f"\nwritten to {file}")
