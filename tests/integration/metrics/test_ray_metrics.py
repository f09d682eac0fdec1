"""Every declared metric is exported by a real Ray, in one text that has all its series."""

from __future__ import annotations

import time
from collections import Counter

import httpx
from prometheus_client.parser import text_string_to_metric_families

from deployments.core.ledger import STAGES
from deployments.core.metrics import AGENTS_READ, METRICS, STAGE_S, Kind

SUFFIX = {Kind.COUNTER: "_total", Kind.GAUGE: "", Kind.HISTOGRAM: "_bucket"}
WITHIN_S = 60


def exported(url: str) -> dict[str, list[dict[str, str]]]:
    """The labels of each series, by its name."""
    response = httpx.get(url, timeout=30)
    assert response.status_code == 200, response.text
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(response.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def test_every_declared_metric_is_exported_with_its_labels(metrics_url: str) -> None:
    """Under its own name: Ray's prefix is gone. Ray adds the deployment and the replica."""
    wanted = {metric.name + SUFFIX[metric.kind]: metric for metric in METRICS}
    until_s = time.monotonic() + WITHIN_S
    while missing := wanted.keys() - (series := exported(metrics_url)).keys():
        assert time.monotonic() < until_s, f"not exported: {sorted(missing)}"
        time.sleep(1)
    for name, metric in wanted.items():
        assert all(set(metric.labels) <= labels.keys() for labels in series[name]), name
        if metric is not AGENTS_READ:
            assert {labels["deployment"] for labels in series[name]} == {"Recorder"}, name


def test_no_two_series_are_the_same(metrics_url: str) -> None:
    """Prometheus would drop one of them."""
    for name, series in exported(metrics_url).items():
        assert max(Counter(frozenset(labels.items()) for labels in series).values()) == 1, name


def test_series_are_as_many_as_labels_have_values(metrics_url: str) -> None:
    """A histogram has a series for each bucket and the last one, of each stage of both agents."""
    series = exported(metrics_url)[f"{STAGE_S.name}_bucket"]
    assert len(series) == 2 * len(STAGES) * (len(STAGE_S.buckets) + 1)


def test_rays_own_metrics_are_there_too(metrics_url: str) -> None:
    """Serve's queues and replicas."""
    assert any(name.startswith("ray_serve_") for name in exported(metrics_url))
