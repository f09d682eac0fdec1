"""Where does a cluster of 4 to 256 engine replicas with 10,000 tenants break first?

    python -m tests.bench.studies.large_clusters [--replicas 4 16 64 256] [--requests 4000]

Replays the same requests of many tenants, each with the habits of the published week, on modelled engines:
the more engines, the faster they come, so that each would be busy all the time if nothing were reused.
Order, routing, the agent's views and the replicas' trees are the application's own, and are measured as
they are at the end of the replay. One agent process knows all tenants. Costs of surveys, KV events and
Redis are measured with the application's own classes, and multiplied by how often they occur.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
from collections.abc import Sequence
from statistics import quantiles
from typing import Any

from tests.bench.harness.report import RESULTS, Report
from tests.bench.studies.event_cost import event_cost
from tests.bench.studies.redis_cost import RedisCost, redis_cost
from tests.bench.studies.survey_cost import survey_cost
from tests.bench.studies.tree_memory import bytes_of
from tests.bench.workload.cluster import POLICIES, Cluster, Outcome, through_cluster
from tests.bench.workload.many_tenants import many_tenants
from tests.bench.workload.prompts import Layout
from tests.bench.workload.trace import Trace

POLICY = POLICIES["joint, best first"]
"""The default order."""
LAYOUT = Layout(question_tokens=130, output_tokens=300)
CAPACITY_TOKENS = 400_000
"""The KV cache of a GPU with 80 GB that also holds a model of 8 billion parameters."""
BYTES_A_TOKEN = 2.6
"""Memory of Redis for the ids of a token, as `make bench` measures it."""
DOCUMENTS = 1_000_000
PASSAGE_TOKENS = 220


def main() -> None:
    """Prints the table and writes `bench-results/large-clusters.json`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replicas", type=int, nargs="+", default=[4, 16, 64, 256])
    parser.add_argument("--requests", type=int, default=4_000)
    parser.add_argument("--tenants", type=int, default=10_000)
    parser.add_argument("--tokens-per-s", type=float, default=20_000.0, help="prefill speed of one engine")
    options = parser.parse_args()
    report = Report(vars(options))
    trace = many_tenants(options.requests, options.tenants, 1)
    redis = asyncio.run(redis_cost())
    unlimited = _replayed(trace, 1, None, options.tokens_per_s).share
    rows = []
    for replicas in options.replicas:
        rows.append(measured(trace, replicas, options.tokens_per_s, unlimited, redis))
        print(rows[-1], flush=True)
        gc.collect()
    report.table("Clusters", [_turned(name, rows) for name in rows[0]])
    report.sections["large_clusters"] = {
        "rows": rows,
        "active_tenants": len({ask.tenant for ask in trace.asks}),
        "redis_us_a_question": redis.server_us,
        "redis_round_trips_a_question": redis.round_trips,
        "redis_gb_of_a_million_documents": DOCUMENTS * PASSAGE_TOKENS * BYTES_A_TOKEN / 1e9,
    }
    print(f"written to {report.write(RESULTS / 'large-clusters.json')}")


def measured(
    trace: Trace, replicas: int, tokens_per_s: float, unlimited: float, redis: RedisCost
) -> dict[str, Any]:
    """The figures of one cluster. `unlimited` is what one unlimited cache finds of the same requests."""
    outcome = _replayed(trace, replicas, CAPACITY_TOKENS, tokens_per_s)
    (views,) = outcome.views
    place = quantiles(outcome.place_ms, n=100)
    latest = list(dict.fromkeys(ask.tenant for ask in reversed(trace.asks)))
    view_mb = bytes_of([views._tenants, views.departed]) / 1e6
    survey = survey_cost(views, latest, replicas)
    asked = len(trace.asks)
    events = event_cost(
        round(outcome.stored_blocks / asked), round(outcome.evicted_blocks / asked), LAYOUT.block_tokens
    )
    each_s = outcome.requests_per_s / replicas
    return {
        "replicas": replicas,
        "questions_per_s": round(outcome.requests_per_s),
        "found_percent": round(100 * outcome.share, 1),
        "of_unlimited_percent": round(100 * outcome.share / unlimited, 1),
        "busiest_over_mean": round(outcome.imbalance, 2),
        "place_p50_ms": round(place[49], 3),
        "place_p99_ms": round(place[98], 3),
        "views_mb": round(view_mb, 1),
        "survey_call_kb": round(survey.call_bytes / 1e3, 1),
        "survey_mb_per_s": round(survey.bytes_per_s / 1e6, 1),
        "survey_agent_cpu": round(survey.agent_cpu, 3),
        "survey_replica_us": round(survey.replica_us),
        "events_kb_per_s_a_replica": round(events.bytes * each_s / 1e3),
        "events_cpu_a_replica": round(events.us * each_s / 1e6, 4),
        "redis_commands_per_s": round(redis.commands * outcome.requests_per_s),
        "redis_cpu": round(redis.server_us * outcome.requests_per_s / 1e6, 2),
    }


def _replayed(trace: Trace, replicas: int, capacity_tokens: int | None, tokens_per_s: float) -> Outcome:
    cluster = Cluster(
        replicas=replicas,
        capacity_tokens=capacity_tokens,
        use=1.0,
        tokens_per_s=tokens_per_s,
        eviction="documents",
        layout=LAYOUT,
        warmed=False,
    )
    return through_cluster(trace, POLICY, cluster)


def _turned(name: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A row of the printed table: one figure of all clusters."""
    return {"": name, **{str(row["replicas"]): row[name] for row in rows}}


if __name__ == "__main__":
    main()
