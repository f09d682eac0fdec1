"""The rules for tests fail tests that break them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]

SKIPPED = """
import pytest

def test_it() -> None:
    pytest.skip("there is no server")
"""
SKIPPED_WHOLE = """
import pytest

pytest.importorskip("no_such_module")
"""
EXPECTED_FAILURE = """
import pytest

@pytest.mark.xfail(strict=True)
def test_it() -> None:
    assert False
"""
STARTS_RAY = """
def test_it() -> None:
    import ray
    ray.init()
"""
OPENS_A_SOCKET = """
import socket

def test_it() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
"""


def _run(folder: Path, code: str, conftest: Path, **environ: str) -> tuple[int, str]:
    shutil.copy(conftest, folder / "conftest.py")
    (folder / "test_planted.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        cwd=folder,
        env={**{name: value for name, value in os.environ.items() if name != "CI"}, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(("code", "exit_code"), [(SKIPPED, 1), (SKIPPED_WHOLE, 2), (EXPECTED_FAILURE, 0)])
def test_a_skip_is_a_failure_in_ci_only(code: str, exit_code: int, tmp_path: Path) -> None:
    """Elsewhere a skip means that something is not installed. An expected failure is not a skip."""
    assert _run(tmp_path, code, TESTS / "conftest.py", CI="true")[0] == exit_code
    assert _run(tmp_path, code, TESTS / "conftest.py")[0] in {0, 5}  # 5: nothing was left to run


@pytest.mark.parametrize("code", [STARTS_RAY, OPENS_A_SOCKET])
def test_unit_tests_can_start_nothing(code: str, tmp_path: Path) -> None:
    """The message says what to do instead."""
    exit_code, output = _run(tmp_path, code, TESTS / "unit" / "conftest.py")
    assert exit_code == 1
    assert "in a unit test" in output
