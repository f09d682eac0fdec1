"""The systemd unit, checked by systemd itself."""

from __future__ import annotations

import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from serve_app.commands.exit_codes import ExitCode
from serve_app.foreground import DRAINED_WITHIN_S

UNIT = Path(__file__).parents[3] / "serve_app" / "config" / "warmline.service"


@pytest.fixture
def service() -> dict[str, str]:
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep case
    parser.read_string(UNIT.read_text())
    return dict(parser["Service"])


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """With a program that is there: the package is installed elsewhere on this machine."""
    text, count = re.subn(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE)
    assert count == 1
    unit = tmp_path / "warmline.service"
    unit.write_text(text)
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    complaints = [line for line in checked.stderr.splitlines() if "warmline.service" in line]
    assert (checked.returncode, complaints) == (0, []), checked.stderr


def test_it_starts_again_what_has_lost_ray_but_not_a_wrong_command(service: dict[str, str]) -> None:
    assert service["Restart"] == "on-failure"
    prevented = set(map(int, service["RestartPreventExitStatus"].split()))
    assert ExitCode.LOST not in prevented
    assert ExitCode.USAGE in prevented


def test_requests_have_their_time_before_systemd_kills(service: dict[str, str]) -> None:
    """And only the process that drains gets SIGTERM."""
    assert float(service["TimeoutStopSec"]) > DRAINED_WITHIN_S + 30
    assert service["KillMode"] == "mixed"
