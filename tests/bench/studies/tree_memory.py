"""How much memory a replica's record of its cache takes, and an agent's view of it.

    python -m tests.bench.studies.tree_memory [--capacity-tokens 46000]

The view places one request after the other; a model of the block cache determines what each of them stores
and evicts. Memory is reported each time the number of requests has doubled.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

from deployments.core.reuse.block_cache import BlockCacheModel
from deployments.core.reuse.placing import ReplicaState
from deployments.core.reuse.replica_view import ReplicaView
from tests.bench.harness.report import RESULTS, Report
from tests.bench.studies.topical_prompts import (
    BLOCK_TOKENS,
    SALT,
    Traffic,
    hashes_of,
    new_residency,
    placed,
    steps_of,
)

_FIRST_MEASURED = 1000
_CODE = (type, ModuleType, FunctionType, MethodType, BuiltinFunctionType)


def measured(capacity_tokens: int, requests: int) -> Iterator[dict[str, float]]:
    """Rows after 1,000, 2,000, 4,000... requests and after the last."""
    blocks = capacity_tokens // BLOCK_TOKENS
    cache, residency, view = BlockCacheModel(blocks), new_residency(blocks), ReplicaView("replica")
    traffic, rng, measured_at = Traffic(0), Random(0), _FIRST_MEASURED
    start_s = time.thread_time()
    for number in range(1, requests + 1):
        candidates = traffic.request()
        placing = placed(candidates, [ReplicaState(view, 0)], rng)
        steps = steps_of([candidates[i] for i in placing.order])
        hashes = hashes_of(steps, number)
        admitted = cache.admit(hashes)
        residency.removed(admitted.evicted)
        residency.stored(admitted.stored)
        residency.served(SALT, steps, hashes)
        view.apply(residency.update_for(SALT, view.known, 0))
        if number in {measured_at, requests}:
            measured_at *= 2
            yield {
                "requests": number,
                "paths": residency.paths(),
                "resident_blocks": residency.resident_blocks,
                "residency_mb": round(bytes_of(residency) / 1e6, 2),
                "view_mb": round(bytes_of(view) / 1e6, 2),
                "process_mb": round(_process_bytes() / 1e6, 1),
                "us_a_request": round((time.thread_time() - start_s) * 1e6 / number),
            }


def bytes_of(root: object) -> int:
    """Size of an object and of all objects that it refers to, without code and types."""
    seen: set[int] = set()
    waiting, total = [root], 0
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, _CODE):
            continue
        seen.add(id(thing))
        total += sys.getsizeof(thing)
        waiting.extend(gc.get_referents(thing))
    return total


def _process_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def main() -> None:
    """Prints each row when it is measured, and writes `bench-results/tree-memory-CAPACITY.json`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=1_000_000, help="takes 4 to 10 minutes")
    parser.add_argument("--capacity-tokens", type=int, default=46_000, help="of the engine's cache")
    options = parser.parse_args()
    rows = []
    for row in measured(options.capacity_tokens, options.requests):
        print(row, flush=True)
        rows.append(row)
    report = Report(vars(options))
    report.sections["tree_memory"] = rows
    print(f"written to {report.write(RESULTS / f'tree-memory-{options.capacity_tokens}.json')}")


if __name__ == "__main__":
    main()
