"""Metrics in Ray: a replica records them, and Ray's agent on its node collects and shows them.

Each process sends its metrics to the agent every 10 s. Ray puts `ray_` before each name and adds labels: the
deployment, the replica, the process and the node. The agent gets a histogram's buckets but no sums: the
`_sum` that it shows takes each value for the middle of its bucket.
"""

from __future__ import annotations

import asyncio
from typing import Any

from deployments.core.metrics import Kind, Metric

PREFIX = "ray_"
"""What Ray puts before each name."""


class RayMeter:
    """A `Meter` for one process of the cluster."""

    def __init__(self) -> None:
        self._recorders: dict[str, Any] = {}

    def record(self, metric: Metric, value: float = 1, /, **labels: str) -> None:
        """Records a value, as the metric's kind says."""
        if metric.kind is Kind.COUNTER and not value:  # Ray refuses 0
            return
        recorder = self._recorders.get(metric.name)
        if recorder is None:
            recorder = self._recorders[metric.name] = _recorder(metric)
        recorder(value, tags=labels)


def _recorder(metric: Metric) -> Any:
    """Makes Ray's object for a metric; returns its method that records."""
    from ray.serve import metrics

    common: dict[str, Any] = {"name": metric.name, "description": metric.what, "tag_keys": metric.labels}
    match metric.kind:
        case Kind.COUNTER:
            return metrics.Counter(**common).inc
        case Kind.GAUGE:
            return metrics.Gauge(**common).set
        case Kind.HISTOGRAM:
            return metrics.Histogram(**common, boundaries=list(metric.buckets)).observe


async def agent_addresses() -> list[tuple[str, int]]:
    """Host and port of the metrics agent of each running node."""
    import ray

    nodes = await asyncio.to_thread(ray.nodes)
    return [
        (node["NodeManagerAddress"], node["MetricsExportPort"])
        for node in nodes
        if node["Alive"] and node["MetricsExportPort"] > 0
    ]
