"""Generates the workload, replays it through modelled caches and prints tables."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from tests.bench.workload import tables
from tests.bench.workload.cluster import POLICIES, Cluster
from tests.bench.workload.evictions import EVICTIONS
from tests.bench.workload.generator import FROZEN, generate
from tests.bench.workload.prompts import Layout
from tests.bench.workload.texts import Texts
from tests.bench.workload.trace import Trace, read_trace


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.workload", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="generated traces, seeds 1 to this (default 5)")
    parser.add_argument("--trace", type=Path, help="replay a recorded trace (JSON lines) instead")
    parser.add_argument("--lengths", type=Path, help="the lengths of its passages (JSON lines)")
    parser.add_argument("--block-tokens", type=int, default=32)
    parser.add_argument("--question-tokens", type=int, default=30)
    parser.add_argument("--output-tokens", type=int, default=0, help="of each answer; they take cache space")
    parser.add_argument("--second-preamble", type=float, default=0.0, help="share of requests with it")
    parser.add_argument("--per-burst", type=int, default=1, help="requests that come in a burst, in the mean")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("fit", help="compare the generator with the published week")
    commands.add_parser("orders", help="reference orders in one cache")
    commands.add_parser("evictions", help="policies of eviction in one cache, for several sizes")
    texts = commands.add_parser("texts", help="the first requests of seed 1, as text")
    texts.add_argument("--requests", type=int, default=1)
    for name, what in (
        ("cluster", "the application's order and routing, many replicas"),
        ("stale", "one policy with late updates and many agents"),
    ):
        cluster = commands.add_parser(name, help=what)
        cluster.add_argument("--replicas", type=int, default=4)
        cluster.add_argument("--capacity-tokens", type=int, default=50_000, help="of one replica")
        cluster.add_argument("--agents", type=int, default=1)
        cluster.add_argument("--lag-ms", type=float, default=0.0, help="delay of a cache's updates")
        cluster.add_argument("--use", type=float, help="utilization without any reuse: 0.9 is 90 %%")
        cluster.add_argument(
            "--tokens-per-s", type=float, default=20_000.0, help="prefill speed of one engine"
        )
        cluster.add_argument("--eviction", choices=[*EVICTIONS], default="lru")
        cluster.add_argument("--policy", choices=[*POLICIES], action="append", help="(default all, or joint)")
    return parser


def _traces(arguments: argparse.Namespace) -> Sequence[Trace]:
    if arguments.trace is not None:
        return [read_trace(arguments.trace, arguments.lengths)]
    habits = replace(FROZEN, second_preamble=arguments.second_preamble, per_burst=arguments.per_burst)
    return [generate(seed, habits) for seed in range(1, arguments.seeds + 1)]


def _lines(arguments: argparse.Namespace) -> Iterator[str]:
    layout = Layout(
        question_tokens=arguments.question_tokens,
        output_tokens=arguments.output_tokens,
        block_tokens=arguments.block_tokens,
    )
    if arguments.command == "fit":
        return tables.fit(_traces(arguments))
    if arguments.command == "orders":
        return tables.orders(_traces(arguments), layout)
    if arguments.command == "evictions":
        return tables.evictions(_traces(arguments), layout)
    if arguments.command == "texts":
        return _texts(arguments.requests)
    cluster = Cluster(
        replicas=arguments.replicas,
        capacity_tokens=arguments.capacity_tokens,
        agents=arguments.agents,
        lag_s=arguments.lag_ms / 1000,
        use=arguments.use,
        tokens_per_s=arguments.tokens_per_s,
        eviction=arguments.eviction,
        layout=layout,
    )
    if arguments.command == "stale":
        return tables.stale(_traces(arguments), cluster, (arguments.policy or ["joint"])[0])
    return tables.clusters(_traces(arguments), cluster, arguments.policy or [*POLICIES])


def _texts(requests: int) -> Iterator[str]:
    trace, texts = generate(1), Texts()
    for ask in islice(trace.asks, requests):
        for passage in ask.passages:
            text = texts.passage(passage, trace.tokens[passage])
            yield f"### {text.title}\n{text.body}\n"
        yield f"{texts.question(ask.passages)}\n"


if __name__ == "__main__":
    parsed = _parser()
    chosen = parsed.parse_args()
    if (chosen.trace is None) != (chosen.lengths is None):
        parsed.error("--trace and --lengths go together")
    for line in _lines(chosen):
        print(line, flush=True)
