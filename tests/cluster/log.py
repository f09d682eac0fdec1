"""The cluster's log over time: nodes by type and replicas by deployment, as CSV and as a drawing in text."""

from __future__ import annotations

import csv
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.cluster.bed import Bed

NODES = ("head", "cpu_worker", "gpu_worker")
REPLICAS = ("Ingress", "Support", "BusinessGeneration", "Documentation", "TokenCache", "Knowledge", "Engine")
COLUMNS = (*NODES, *REPLICAS)
_EVERY_S = 2.0
_WIDTH = 90
_HEIGHTS = " 123456789"


@dataclass
class Log:
    """What was seen, oldest first."""

    began_s: float = field(default_factory=time.monotonic)
    rows: list[tuple[float, str, Counter[str]]] = field(default_factory=list)
    """Seconds from the beginning, the part of the check, and how many of each column ran."""
    part: str = "start"
    """What the check does now."""

    def most(self, part: str) -> Counter[str]:
        """The largest number of each column in a part of the check."""
        most: Counter[str] = Counter()
        for _, of, counts in self.rows:
            most |= counts if of == part else Counter()
        return most

    def write(self, file: Path) -> None:
        """Writes CSV."""
        with file.open("w", newline="") as opened:
            writer = csv.writer(opened)
            writer.writerow(("second", "part", *COLUMNS))
            for second, part, counts in self.rows:
                writer.writerow((round(second, 1), part, *(counts[name] for name in COLUMNS)))

    def drawing(self) -> str:
        """A line for each column with its number over time, a digit for each moment, and the parts below."""
        shown = self.rows[:: max(1, -(-len(self.rows) // _WIDTH))]
        lines = [
            f"{name:>20} {''.join(_HEIGHTS[min(counts[name], 9)] for _, _, counts in shown)}"
            for name in COLUMNS
        ]
        letters = _letters([part for _, part, _ in shown])
        seconds = shown[-1][0] if shown else 0
        legend = ", ".join(f"{letter} {part}" for part, letter in letters.items())
        marks = "".join(letters[part] for _, part, _ in shown)
        return "\n".join([*lines, f"{'':>20} {marks}", f"0 to {seconds:.0f} s; {legend}"])


def _letters(parts: Sequence[str]) -> dict[str, str]:
    return {part: chr(ord("a") + number) for number, part in enumerate(dict.fromkeys(parts))}


@contextmanager
def logged(bed: Bed) -> Iterator[Log]:
    """A log that grows while the block runs."""
    log, over = Log(), threading.Event()

    def watch() -> None:
        while not over.wait(_EVERY_S):
            try:
                counts = bed.cloud.counts() + running(bed)
            except httpx.HTTPError:
                continue  # the head is busy
            log.rows.append((time.monotonic() - log.began_s, log.part, counts))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield log
    finally:
        over.set()
        thread.join()


def running(bed: Bed) -> Counter[str]:
    """How many replicas of each deployment take requests."""
    deployments = bed.status()["applications"].get("default", {}).get("deployments", {})
    return Counter(
        {
            name: sum(replica["state"] == "RUNNING" for replica in deployment["replicas"])
            for name, deployment in deployments.items()
        }
    )
