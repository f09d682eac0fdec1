"""Simulates a cluster for many hours, in lives of some hours each.

    python -m tests.simulation [--hours 10000] [--seed 1] [--bug NAME [--soon]]

Each life has a seed of its own, from `--seed` on. Prints what happened in all lives. The exit status is 1 if
a promise was broken, and the command that repeats that life is printed. `--bug` plants one of
`planted_bugs.BUGS` and says how long it takes to be found; `--bug all` does so with each. `--soon` begins
with a life that has shown the bug before.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.simulation.life import Lived, live
from tests.simulation.planted_bugs import BUGS, SHOWN_BY

LIFE_H = 24.0
"""How long a life lasts."""


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=10_000.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bug", choices=["all", *(bug.__name__ for bug in BUGS)])
    parser.add_argument("--soon", action="store_true")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if asked.bug is None:
        raise SystemExit(_print_lives(asked.seed, asked.hours))
    found = [
        _print_bug(name, SHOWN_BY.get(name, asked.seed) if asked.soon else asked.seed, asked.hours)
        for name in _bugs(asked.bug)
    ]
    raise SystemExit(0 if all(found) else 1)


def lives(seed: int, hours: float) -> Iterator[Lived]:
    """Lives until they have lasted so many hours together."""
    lived_h = 0.0
    while lived_h < hours:
        lived = live(seed, min(LIFE_H, hours - lived_h))
        yield lived
        lived_h, seed = lived_h + lived.hours, seed + 1


def _print_lives(seed: int, hours: float) -> int:
    """Returns how many lives broke a promise."""
    began_s = time.perf_counter()
    lived_h, broken = 0.0, 0
    totals = {"calls": Counter[str](), "answers and errors": Counter[str](), "faults": Counter[str]()}
    with suppress(KeyboardInterrupt):  # prints what there is
        for lived in lives(seed, hours):
            lived_h += lived.hours
            for total, counts in zip(
                totals.values(), (lived.calls, lived.outcomes, lived.faults), strict=True
            ):
                total.update(counts)
            if lived.violations:
                broken += 1
                print(f"seed {lived.seed}, after {lived.hours:.2f} h: {'; '.join(lived.violations[:3])}")
                print(f"  repeat it: python -m tests.simulation --seed {lived.seed} --hours {LIFE_H:g}")
    print(f"{lived_h:.0f} simulated hours in {time.perf_counter() - began_s:.0f} s, {broken} violations")
    for name, total in totals.items():
        print(f"{name}: {', '.join(f'{count} {kind}' for kind, count in total.most_common())}")
    return broken


def _print_bug(name: str, seed: int, hours: float) -> bool:
    began_s, lived_h = time.perf_counter(), 0.0
    with planted(name):
        for lived in lives(seed, hours):
            lived_h += lived.hours
            if lived.violations:
                took_s = time.perf_counter() - began_s
                when = f"found in {took_s:.1f} s, {lived_h:.1f} h, seed {lived.seed}"
                print(f"{name}: {when}: {lived.violations[0]}", flush=True)
                return True
    print(f"{name}: NOT FOUND in {lived_h:.0f} h", flush=True)
    return False


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The product with one of the bugs."""
    with pytest.MonkeyPatch.context() as patch:
        next(bug for bug in BUGS if bug.__name__ == name)(patch)
        yield


def _bugs(asked: str) -> list[str]:
    return [bug.__name__ for bug in BUGS] if asked == "all" else [asked]


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets decides which dice are thrown for what
        command = [sys.executable, "-m", "tests.simulation", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, "PYTHONHASHSEED": "0"})
    main()
