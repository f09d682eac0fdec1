"""What metrics cost an answer: microseconds before its first token, and after its last one.

    python -m tests.bench.studies.metrics_cost

Takes what one answer, one HTTP request and one call to Redis record, and records it again many times in a
replica on a local Ray, as the application does, and into nothing, as with metrics off.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from deployments.core.metrics import REDIS_S, REQUEST_S, REQUESTS, SILENT, Meter, Metric
from deployments.core.sampling import Sampling
from serve_app.local_ray import ensure_local_ray, prepare_environment
from serve_app.metrics.ray_metrics import RayMeter
from serve_app.settings import Settings
from tests.bench.harness.report import RESULTS, Report
from tests.fakes import RecordingMeter, a_passage
from tests.unit.rag.rig import Rig, question

REDIS_CALLS = 4
"""Before the first token: quotas, a kept retrieval, segments, and counts, which are sent meanwhile."""
Recorded = list[tuple[Metric, float, dict[str, str]]]


async def of_an_answer() -> Recorded:
    """What an answer from five documents records."""
    meter = RecordingMeter()
    rig = Rig([a_passage(n) for n in range(5)])
    rig.use(meter=meter)
    await rig.answer(question(sampling=Sampling(50, 0.0)))
    return meter.values


class Replica:
    """Records in a replica, where Ray has its buffers."""

    async def microseconds(self, recorded: Recorded, repeats: int, on: bool) -> float:
        """The median time of recording all of `recorded`."""
        meter: Meter = RayMeter() if on else SILENT
        took = []
        for _ in range(repeats):
            began = time.perf_counter()
            for metric, value, labels in recorded:
                meter.record(metric, value, **labels)
            took.append(time.perf_counter() - began)
            await asyncio.sleep(0)
        return statistics.median(took) * 1e6


def measured(port: int, repeats: int) -> list[dict[str, float | str]]:
    """A row for each thing that is recorded."""
    what: dict[str, Recorded] = {
        f"{REDIS_CALLS} calls to Redis, before the first token": [(REDIS_S, 0.0003, {"outcome": "ok"})]
        * REDIS_CALLS,
        "an answer, after its last token": asyncio.run(of_an_answer()),
        "an HTTP request, after its response": [
            (REQUESTS, 1, {"method": "POST", "route": "/v1/support/answer", "status": "200"}),
            (REQUEST_S, 0.5, {"route": "/v1/support/answer"}),
        ],
    }
    with TemporaryDirectory() as folder:
        settings = Settings.from_env({}, state_dir=Path(folder), http_port=port, fast_path=False)
        prepare_environment(settings)
        import ray
        from ray import serve

        ensure_local_ray(settings)
        handle = serve.run(serve.deployment(Replica).bind())
        rows: list[dict[str, float | str]] = []
        for name, recorded in what.items():
            on, off = (handle.microseconds.remote(recorded, repeats, on=on).result() for on in (True, False))
            rows.append(
                {"what": name, "values": len(recorded), "us_on": round(on, 1), "us_off": round(off, 1)}
            )
        serve.shutdown()
        ray.shutdown()
    return rows


def main() -> None:
    """Prints the table, and writes `bench-results/metrics-cost.json`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--port", type=int, default=8317, help="of Serve's proxy")
    options = parser.parse_args()
    rows = measured(options.port, options.repeats)
    report = Report(vars(options))
    report.sections["metrics_cost"] = rows
    report.table("microseconds", rows)
    print(f"written to {report.write(RESULTS / 'metrics-cost.json')}")


if __name__ == "__main__":
    main()
