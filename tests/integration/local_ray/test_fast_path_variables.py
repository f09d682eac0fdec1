"""The fast path is chosen before a process imports Serve, and for all of Ray's processes."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ray.serve.config import HTTPOptions

from serve_app.fast_path.variables import LONGEST_SOCKET_NAME
from serve_app.local_ray import exports
from serve_app.settings import Settings

ROOT = Path(__file__).parents[3]
THROUGHPUT, HAPROXY = "RAY_SERVE_THROUGHPUT_OPTIMIZED", "RAY_SERVE_ENABLE_HA_PROXY"
INGRESS = "RAY_SERVE_ENABLE_DIRECT_INGRESS"


def prepared(first: str, **environ: str) -> dict[str, str | None]:
    """The three variables after `prepare_environment` in a process that has run `first`."""
    code = (
        f"{first}\nimport json, os; from serve_app.local_ray import prepare_environment\n"
        "from serve_app.settings import Settings; prepare_environment(Settings.from_env(os.environ))\n"
        f"print(json.dumps([os.environ.get(name) for name in {[THROUGHPUT, HAPROXY, INGRESS]}]))"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "WARMLINE_"))}
    done = subprocess.run(
        [sys.executable, "-c", code], env=kept | environ, cwd=ROOT, capture_output=True, text=True, check=True
    )
    return dict(zip([THROUGHPUT, HAPROXY, INGRESS], json.loads(done.stdout), strict=True))


@pytest.mark.parametrize(
    ("first", "environ", "expected"),
    [
        ("", {}, ["1", "1", None]),
        ("", {"WARMLINE_FAST_PATH": "off"}, ["0", "0", "0"]),
        ("", {HAPROXY: "0"}, ["1", "0", "0"]),
        # As under `serve run`: this process imported Serve without the fast path; so must its replicas.
        ("import ray.serve", {}, [None, None, "0"]),
        ("import ray.serve", {THROUGHPUT: "1", HAPROXY: "1"}, ["1", "1", None]),
    ],
)
def test_the_switches(first: str, environ: dict[str, str], expected: list[str | None]) -> None:
    """Exported variables win. One setting switches both off."""
    assert list(prepared(first, **environ).values()) == expected


@pytest.mark.parametrize("depth", [1, 12])
def test_a_shells_variables_name_files_in_a_private_folder(tmp_path: Path, depth: int) -> None:
    """However deep the state directory is: a socket's path is 107 bytes at most."""
    state_dir = tmp_path.joinpath(*["deep" * 3] * depth)
    variables = exports(Settings.from_env({}, state_dir=state_dir))
    launcher = Path(variables["RAY_SERVE_HAPROXY_BINARY_PATH"])
    assert os.access(launcher, os.X_OK)
    folder = launcher.parent
    assert len(str(folder / LONGEST_SOCKET_NAME)) <= 107
    assert any(parent.stat().st_mode & 0o077 == 0 for parent in (folder, *folder.parents))
    for name, value in variables.items():
        if name.endswith(("_LOC", "_SOCKET_PATH", "_STATE_FILE")):
            assert Path(value).parent == folder


def test_a_shell_gets_the_variables_from_the_command(tmp_path: Path) -> None:
    """In the form that `eval` reads, also where a value has blanks."""
    command = shlex.join([sys.executable, "-c", "from serve_app.cli import main; main()", "fast-path"])
    done = subprocess.run(
        ["sh", "-c", f'eval "$({command})" && echo "$RAY_SERVE_HAPROXY_LOG_TARGET"'],
        env={**os.environ, "WARMLINE_STATE_DIR": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "stderr format timed\n"


def test_an_old_haproxy_outlives_the_last_request_that_it_can_take(tmp_path: Path) -> None:
    """It takes one on each idle connection, until Serve's timeout of idle connections."""
    settings = Settings.from_env({}, state_dir=tmp_path, request_timeout_s=200)
    hard_stop_s = int(exports(settings)["RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S"])
    assert hard_stop_s > HTTPOptions().keep_alive_timeout_s + settings.request_timeout_s
