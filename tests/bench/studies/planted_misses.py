"""Does a miss name its cause? Plants misses of all causes, and counts those that the ledger names rightly.

    python -m tests.bench.studies.planted_misses [--each 100]

`workload/planted.py` makes each miss by construction; the ledger of the answer must name its cause. The agent
is the application's own, and so are residency, events and eviction of the replicas; only the cache of vLLM
is a model. Also measures what naming the causes costs a request. Needs no engine.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from itertools import cycle, islice
from random import Random
from statistics import median
from typing import Any

from deployments.core.documents import Passage
from deployments.core.ids import CollectionName, DocId, Scope, TenantId
from deployments.core.reuse.misses import Cause, Found, missed
from deployments.core.reuse.ordering import ORDERS
from deployments.core.reuse.paths import ResidencyUpdate, SegmentId
from deployments.core.reuse.placing import Placing
from deployments.rag.engine_views import EngineViews
from deployments.rag.placer import Placer
from deployments.rag.used_passages import UsedPassages
from tests.bench.harness.claims import Claim
from tests.bench.harness.report import RESULTS, Report
from tests.bench.workload.planted import PLANTS, Plant
from tests.fakes import FakeResidencySource


async def named(plant: Plant, seed: int) -> str:
    """The cause that the ledger names for a planted miss; "found" if the passage was not missed."""
    answer, passage = await plant(Random(f"{plant.__name__} {seed}"))
    places = [at for at, one in enumerate(answer.reuse.passages) if one.doc_id == passage.doc_id]
    causes = {miss.passage: miss.cause for miss in answer.reuse.missed}
    return causes.get(places[-1], "found")


async def measure(each: int) -> dict[Cause, dict[str, Counter[str]]]:
    """Plants each cause so many times; returns the causes that were named, by plant."""
    found: dict[Cause, dict[str, Counter[str]]] = {}
    for cause, plants in PLANTS.items():
        found[cause] = {plant.__name__: Counter() for plant in plants}
        for seed, plant in enumerate(islice(cycle(plants), each)):
            found[cause][plant.__name__][await named(plant, seed)] += 1
    return found


def rows(found: Mapping[Cause, Mapping[str, Counter[str]]]) -> list[dict[str, Any]]:
    """A row for each plant."""
    return [
        {
            "cause": cause.value,
            "planted as": plant,
            "planted": named_as.total(),
            "named rightly": named_as[cause],
            "named otherwise": ", ".join(f"{name} {n}" for name, n in named_as.items() if name != cause),
        }
        for cause, plants in found.items()
        for plant, named_as in plants.items()
    ]


def cost_ms(documents: int = 8, replicas: int = 4, requests: int = 2000) -> float:
    """What naming the causes costs a request: the median of its CPU time.

    The worst case: no document is cached anywhere, and each was used before.
    """
    scope, views = (
        Scope(TenantId("acme"), CollectionName("kb")),
        EngineViews(FakeResidencySource(), time.monotonic),
    )
    for number in range(replicas):
        views.apply("salt", ResidencyUpdate(f"replica{number}", "e", None, 0, b"", 0))
    placer, used = Placer(ORDERS["trie"], views), UsedPassages()
    passages = [Passage(DocId(f"doc{n}"), "", "", None, 1, n, "text", 1.0, None) for n in range(documents)]
    path = [SegmentId(2**32 + number) for number in range(documents)]
    placing = Placing(list(range(documents)), tuple(f"replica{n}" for n in range(replicas)))
    times_ms = []
    for _ in range(requests):
        begun_ns = time.thread_time_ns()
        absences = placer.foresee("salt", placing, path, lambda at: used.changed(scope, passages[at]))
        missed(100, [200] * documents, absences, Found(96, 32, elsewhere=False, estimated=False))
        used.note(scope, passages)
        times_ms.append((time.thread_time_ns() - begun_ns) / 1e6)
    return median(times_ms)


def main() -> None:
    """Runs the study."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--each", type=int, default=100, help="how often each cause is planted")
    asked = parser.parse_args()
    report = Report(vars(asked))
    table = rows(asyncio.run(measure(asked.each)))
    report.table("Planted misses", table)
    report.sections["planted"] = table
    planted, right = (sum(row[column] for row in table) for column in ("planted", "named rightly"))
    report.claim(
        Claim("planted misses named rightly", 100 * right / planted, "%", 99, "higher", f"{planted}")
    )
    report.claim(Claim("naming causes, a request", cost_ms(), "ms", 0.1, "lower", "8 documents, 4 replicas"))
    print(report.write(RESULTS / "planted-misses.json"))


if __name__ == "__main__":
    main()
