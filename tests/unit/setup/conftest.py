"""What the tests of fetching models share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.setup.package_index import PackageIndex


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackageIndex:
    """An empty Python index that replaces the configured one."""
    return PackageIndex(tmp_path / "index", monkeypatch)
