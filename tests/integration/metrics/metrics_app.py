"""A replica on a local Ray that records every declared metric, and one that shows them: `metrics_app.py
STATE_DIR PORT`. Prints a line when it serves; runs until it is ended.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from itertools import product
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from deployments.core.ledger import STAGES
from deployments.core.metrics import AGENTS_READ, METRICS, Meter, Metric
from serve_app.local_ray import ensure_local_ray, prepare_environment
from serve_app.metrics.cluster_metrics import ClusterMetrics
from serve_app.metrics.exposition import CONTENT_TYPE
from serve_app.metrics.ray_metrics import RayMeter, agent_addresses
from serve_app.settings import Settings

settings = Settings.from_env({}, state_dir=sys.argv[1], http_port=int(sys.argv[2]), fast_path=False)
prepare_environment(settings)

from ray import serve  # noqa: E402  it reads the environment

VALUES = {
    "agent": ("support", "business"),
    "answer": ("generated", "no_context"),
    "error": ("internal_error", "overloaded"),
    "gen_ai_request_model": ("support", "business"),
    "gen_ai_token_type": ("input", "output"),
    "kind": ("transaction", "snapshot"),
    "outcome": ("ok", "failed"),
    "source": ("l1", "redis", "tokenized"),
    "stage": STAGES,
    "status": ("200", "503"),
    "to": ("preferred", "other"),
}
"""Values of the labels that have several; others have one."""


def record(meter: Meter, metric: Metric) -> None:
    """Records 1 in each series of a metric."""
    values = [VALUES.get(label, (f"some-{label}",)) for label in metric.labels]
    for series in product(*values):
        meter.record(metric, 1, **dict(zip(metric.labels, series, strict=True)))


class Recorder:
    """Records all metrics four times a second."""

    def __init__(self) -> None:
        self._recording = asyncio.get_event_loop().create_task(self._record())

    async def _record(self) -> None:
        meter = RayMeter()
        while True:
            for metric in METRICS:
                if metric is not AGENTS_READ:  # which is not recorded, but made from what is read
                    record(meter, metric)
            await asyncio.sleep(0.25)

    async def fails(self) -> bool:
        """Whether recording has ended."""
        return self._recording.done()


class Front:
    """Shows the metrics at each path."""

    def __init__(self, recorder: Any) -> None:
        self._recorder = recorder
        self._metrics = ClusterMetrics(agent_addresses)

    async def __call__(self, request: Request) -> Response:
        if await self._recorder.fails.remote():
            return Response("recording has ended", 500)
        return Response(await self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})


def main() -> None:
    ensure_local_ray(settings)
    light = {"num_cpus": 0.1}
    recorder = serve.deployment(Recorder).options(ray_actor_options=light).bind()
    serve.run(serve.deployment(Front).options(ray_actor_options=light).bind(recorder))
    print("it serves", flush=True)
    signal.pause()


main()
