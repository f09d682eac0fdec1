"""The table of metrics: names and units are Prometheus's, and labels have few values."""

import re
from pathlib import Path

import pytest

from deployments.core import metrics
from deployments.core.metrics import METRICS, Kind

ROOT = Path(__file__).parents[3]
LABELS = {
    *(
        "agent",
        "answer",
        "cause",
        "collection",
        "error",
        "finish_reason",
        "kind",
        "method",
        "order",
        "outcome",
    ),
    *("read", "route", "source", "stage", "status", "to"),
    *("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_token_type"),
}
"""Every label, each with few values that the application chooses. A tenant, a user or a document is none."""


def test_names_are_unique_and_ours():
    """Two metrics of one name would be one in Prometheus."""
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names) > 30
    assert all(re.fullmatch(r"(warmline|gen_ai)_[a-z0-9_]+", name) for name in names)
    assert not any(name.endswith(("_total", "_bucket", "_sum", "_count")) for name in names)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_is_described_and_bounded(metric):
    """Times are in seconds, and buckets ascend: Ray wants them above 0."""
    assert metric.what
    assert set(metric.labels) <= LABELS
    assert (metric.kind is Kind.HISTOGRAM) == bool(metric.buckets)
    assert list(metric.buckets) == sorted({bucket for bucket in metric.buckets if bucket > 0})
    if metric.kind is Kind.HISTOGRAM and metric is not metrics.TOKEN_USAGE:
        assert metric.name.endswith("_seconds")


@pytest.mark.parametrize(
    "constant", [name for name, value in vars(metrics).items() if isinstance(value, metrics.Metric)]
)
def test_a_metric_is_recorded_somewhere(constant):
    """One that is only declared would never have data."""
    used = re.compile(rf"\b{constant}\b")
    sources = [path for package in ("deployments", "serve_app") for path in (ROOT / package).rglob("*.py")]
    assert any(used.search(path.read_text()) for path in sources if path.name != "metrics.py")
