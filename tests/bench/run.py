"""The benchmark, in one run: `python -m tests.bench.run [--short] [--only PART,...] [--peer ...] [--seed N]`.

Everything that is compared is asked in turns, request by request. Tables are printed; all figures and claims
are written to bench-results/latest.json, and plots next to it.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Sequence

from tests.bench.harness.bench import Bench, Part
from tests.bench.harness.peer import parse
from tests.bench.harness.plan import FULL, SHORT
from tests.bench.harness.plots import draw
from tests.bench.harness.report import RESULTS, Report
from tests.bench.harness.surroundings import environment
from tests.bench.parts import (
    answers,
    bounded,
    hops,
    lengths,
    load,
    mixed,
    overhead,
    peers,
    questions,
    retrieval,
    tokens,
)

PARTS = (
    Part("tokens", tokens.run),
    Part("answers", answers.run),
    Part("lengths", lengths.run),
    Part("load", load.run, in_short=False),
    Part("mixed", mixed.run),
    Part("bounded", bounded.run, in_short=False),
    Part("peers", peers.run, in_short=False),
    Part("overhead", overhead.run),
    Part("questions", questions.run, in_short=False),
    Part("hops", hops.run),
    Part("retrieval", retrieval.run, in_short=False),
)
"""In the order in which they run. `peers` is the last that needs the testbed."""


async def run(bench: Bench, chosen: Sequence[Part]) -> None:
    """Runs the chosen parts one after the other."""
    async with bench:
        for part in chosen:
            await part.run(bench)
        await bench.stop()


def _chosen(options: argparse.Namespace, parser: argparse.ArgumentParser) -> list[Part]:
    if options.only:
        names = set(options.only.split(","))
    else:
        names = {part.name for part in PARTS if part.in_short or not options.short}
    if unknown := names - {part.name for part in PARTS}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if options.peer:
        names.add("peers")
    return [part for part in PARTS if part.name in names]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="about five minutes: fewer and smaller parts")
    parser.add_argument("--only", default="", help=f"of {','.join(part.name for part in PARTS)}")
    parser.add_argument("--peer", action="append", default=[], type=parse, help="see tests/bench/README.md")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def main() -> None:
    """The command."""
    parser = _parser()
    options = parser.parse_args()
    chosen = _chosen(options, parser)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that started processes are ended
    names = sorted(part.name for part in chosen)
    report = Report({"short": options.short, "parts": names, "seed": options.seed})
    with environment():
        bench = Bench(SHORT if options.short else FULL, options.seed, options.peer, report)
        asyncio.run(run(bench, chosen))
    report.conclude()
    for file in draw(report.sections, RESULTS):
        print(f"drawn: {file}")


if __name__ == "__main__":
    main()
