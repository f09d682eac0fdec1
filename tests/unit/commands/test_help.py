"""The commands as the README lists them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.commands.conftest import Warmline

ROOT = Path(__file__).parents[3]
TABLE = re.search(
    r"## Command line\n(.*?)\n## ", (ROOT / "README.md").read_text().replace("\\|", "|"), re.DOTALL
)
LISTED = re.findall(r"^\| `warmline ([^`]+)`", TABLE[1] if TABLE else "", re.MULTILINE)


def commands(line: str) -> list[list[str]]:
    """The commands of a row: `cache stats|warm [X]` are `cache stats` and `cache warm`."""
    words = re.match(r"[a-z| -]+?(?= [A-Z\[-]|$)", line)
    assert words, line
    *group, last = words[0].split()
    return [[*group, one] for one in last.split("|")]


@pytest.mark.parametrize("line", LISTED)
def test_every_command_of_the_readme_exists(warmline: Warmline, line: str) -> None:
    """With the options that its row shows."""
    for command in commands(line):
        shown = warmline(*command, "--help").stdout
        assert all(option in shown for option in re.findall(r"--[a-z-]+", line)), (command, line)


def test_the_readme_lists_every_command(warmline: Warmline) -> None:
    """None is missing."""
    listed = {command[0] for line in LISTED for command in commands(line)}
    shown = warmline("--help").stdout
    offered = set(re.findall(r"^│ ([a-z][a-z-]+) {2,}", shown, re.MULTILINE))
    assert listed == offered != set()


def test_the_help_tells_the_exit_codes(warmline: Warmline) -> None:
    """For scripts."""
    assert "4 refused" in warmline("--help").stdout


def test_help_loads_nothing_heavy() -> None:
    """It stays fast."""
    heavy = {"ray", "httpx", "pydantic", "fastapi", "numpy", "torch", "sqlalchemy", "redis", "watchfiles"}
    code = f"import sys, serve_app.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_completion_can_be_installed(warmline: Warmline) -> None:
    """For the user's shell."""
    assert "--install-completion" in warmline("--help").stdout
