"""Dashboard and alerts use metrics that the application has. `test_prometheus` runs them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from deployments.core.metrics import METRICS, Kind

FOLDER = Path(__file__).parents[3] / "serve_app" / "dashboards"
SUFFIXES = {Kind.COUNTER: ("_total",), Kind.GAUGE: ("",), Kind.HISTOGRAM: ("_bucket", "_count", "_sum")}
EXPORTED = {metric.name + suffix for metric in METRICS for suffix in SUFFIXES[metric.kind]}
NAME = re.compile(r"\b(?:warmline|gen_ai)_\w+(?=[\[{)\s])")


def named(queries: list[str]) -> set[str]:
    """The application's metrics in queries."""
    return {name for query in queries for name in NAME.findall(f"{query} ")}


def test_the_dashboard_shows_every_metric_and_no_other():
    """One that no panel shows would be recorded for nothing."""
    panels = json.loads((FOLDER / "grafana.json").read_text())["panels"]
    shown = named([target["expr"] for panel in panels for target in panel.get("targets", [])])
    labels = {label for metric in METRICS for label in metric.labels}
    assert shown - labels <= EXPORTED
    unseen = {metric.name for metric in METRICS if not any(name.startswith(metric.name) for name in shown)}
    assert unseen == set()


def test_alerts_are_about_metrics_that_exist():
    """Each says what to do."""
    (group,) = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    labels = {label for metric in METRICS for label in metric.labels}
    assert named([rule["expr"] for rule in group["rules"]]) - labels <= EXPORTED
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"].keys() == {"summary", "description"}
