"""Writes the locks from pyproject.toml. Run `make lock` after a change of its dependencies."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from serve_app.setup.bootstrap import LOCKS, ROOT
from serve_app.setup.models import CUDA_BUILDS

PLAIN_INDEX = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}
"""For the GPU lock: a configured index may have torch's CPU build, which pip takes for the newest."""

OLDEST_PYTHON = "3.11.0"
FIRST_PATCH_RELEASES = ['async-timeout==5.0.1; python_full_version < "3.11.3"']
"""redis-py needs it before Python 3.11.3 (Debian 12 has 3.11.2). pip leaves it out, since it evaluates
markers for the Python that runs it, not for --python-version."""


def main() -> None:
    runtime = [line for line in _resolved(".[cpu]", []) if _name(line) not in CUDA_BUILDS]
    _write("cpu", [*runtime, *FIRST_PATCH_RELEASES])
    _write("gpu", [*_resolved(".[gpu]", [], PLAIN_INDEX), *FIRST_PATCH_RELEASES])
    tests = _resolved(".[cpu,test]", ["--constraint", str(LOCKS / "cpu.txt")])
    _write("test", [line for line in tests if line not in runtime and _name(line) not in CUDA_BUILDS])


def _resolved(requirement: str, options: list[str], environ: dict[str, str] | None = None) -> list[str]:
    """The versions that pip would install for `requirement` on the oldest supported Python, as
    `name==version`.

    Wheels only, since a machine may have no compiler.
    """
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "-qq"]
    command += ["--python-version", OLDEST_PYTHON, "--only-binary=:all:", "--target", "/nonexistent"]
    report = subprocess.run(
        [*command, "--report", "-", *options, requirement],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, **(environ or {})},
        check=True,
    ).stdout
    found = [item["metadata"] for item in json.loads(report)["install"]]
    return [f"{package['name']}=={package['version']}" for package in found if package["name"] != "warmline"]


def _name(line: str) -> str:
    return line.partition("==")[0]


def _write(name: str, lines: list[str]) -> None:
    head = "# Written by `make lock` from pyproject.toml. Installed with --no-deps.\n"
    body = "".join(f"{line}\n" for line in sorted(lines, key=str.lower))
    (LOCKS / f"{name}.txt").write_text(head + body)


if __name__ == "__main__":
    main()
