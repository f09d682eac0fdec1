"""The tree keeps its own rules."""

from __future__ import annotations

from pathlib import Path

from tests.unit.architecture.rules import complaints

ROOT = Path(__file__).parents[3]


def test_the_tree_breaks_no_rule() -> None:
    """File lengths and names, core's imports, silent handlers, registry hosts."""
    assert complaints(ROOT) == []
