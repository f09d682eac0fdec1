"""Dashboard and alerts on a real Prometheus, which scrapes the metrics of a real Ray."""

from __future__ import annotations

import json
import math
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.integration.metrics.conftest import ROOT, free_port

pytestmark = pytest.mark.system

DASHBOARDS = ROOT / "serve_app" / "dashboards"
WITHIN_S = 90
FIRING = {"WarmlineErrors", "WarmlineOverloaded", "WarmlineDatabaseFailing", "WarmlineEngineEventsLost"}
"""Alerts on what `metrics_app` records, if they do not wait."""
VARIABLES = {"$__rate_interval": "15s", "$agent": ".*"}
"""What Grafana writes in place of the dashboard's variables."""


def queries() -> dict[str, str]:
    """The dashboard's queries, by panel and number."""
    panels = json.loads((DASHBOARDS / "grafana.json").read_text())["panels"]
    found = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in panels
        for target in panel.get("targets", [])
    }
    for variable, value in VARIABLES.items():
        found = {name: query.replace(variable, value) for name, query in found.items()}
    return found


class Prometheus:
    """The API of a running server."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def values(self, query: str) -> list[float]:
        """The query's present values that are numbers."""
        answer = self._get("query", query=query)
        values = [float(series["value"][1]) for series in answer["result"]]
        return [value for value in values if not math.isnan(value)]

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        alerts = self._get("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            return bool(self._http.get("query", params={"query": "1"}).is_success)
        except httpx.TransportError:
            return False

    def _get(self, path: str, **query: str) -> Any:
        response = self._http.get(path, params=query)
        assert response.status_code == 200, response.text
        return response.json()["data"]


def within(condition: Any) -> bool:
    """Whether it becomes true in time."""
    until_s = time.monotonic() + WITHIN_S
    while not (held := condition()) and time.monotonic() < until_s:
        time.sleep(0.5)
    return bool(held)


@pytest.fixture(scope="module")
def prometheus(metrics_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """With the shipped configuration, but for the target and all times: every second, no alert waits."""
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    config = yaml.safe_load((DASHBOARDS / "prometheus.yaml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"][0]["static_configs"] = [{"targets": [metrics_url.split("/")[2]]}]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    rules = (DASHBOARDS / "alerts.yaml").read_text()
    (folder / "alerts.yaml").write_text(re.sub(r"for: \d+m", "for: 0s", rules))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder}/prometheus.yaml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=10, trust_env=False) as http:
            server = Prometheus(http)
            assert within(server.ready), (folder / "log").read_text()
            yield server
        process.terminate()
        process.wait()


def test_every_query_of_the_dashboard_returns_data(prometheus: Prometheus) -> None:
    """With the names and labels that a real Ray exports."""
    empty = {}

    def all_return_data() -> bool:
        nonlocal empty
        empty = {name: query for name, query in queries().items() if not prometheus.values(query)}
        return not empty

    assert len(queries()) > 30
    assert within(all_return_data), empty


def test_alerts_fire_on_what_is_wrong_and_on_nothing_else(prometheus: Prometheus) -> None:
    """The application answers, so `WarmlineDown` and `WarmlineMetricsIncomplete` do not fire."""
    assert within(lambda: prometheus.firing() >= FIRING), prometheus.firing()
    assert not {"WarmlineDown", "WarmlineMetricsIncomplete"} & prometheus.firing()


ERRORS = 'warmline_http_errors_total{route="/a",error="%s"}'
REQUESTS = 'warmline_http_requests_total{route="/a",status="200"}'
FIRST_TOKEN = 'gen_ai_server_time_to_first_token_seconds_bucket{gen_ai_request_model="support",le="%s"}'
REDIS = 'warmline_redis_call_duration_seconds_count{outcome="%s"}'
DATABASE = 'warmline_database_transaction_duration_seconds_count{kind="snapshot",outcome="%s"}'
EXPECTED = 'warmline_kv_tokens_expected_total{agent="a",order="trie"}'
FOUND = 'warmline_kv_tokens_found_total{agent="a",order="trie"}'
PROMPT_TOKENS = 'warmline_prompt_tokens_total{agent="a",order="trie"}'
ANSWERS = 'warmline_answers_total{agent="a",order="trie",answer="generated",finish_reason="stop"}'
FAULTS: dict[str, tuple[int, dict[str, str]]] = {
    "WarmlineDown": (2, {'up{job="warmline",instance="a"}': "0x60"}),
    "WarmlineErrors": (5, {REQUESTS: "0+100x60", ERRORS % "engine_unavailable": "0+10x60"}),
    "WarmlineOverloaded": (10, {REQUESTS: "0+100x60", ERRORS % "overloaded": "0+10x60"}),
    "WarmlineSlowFirstToken": (
        10,
        {FIRST_TOKEN % "5.0": "0+10x60", FIRST_TOKEN % "7.5": "0+20x60", FIRST_TOKEN % "+Inf": "0+20x60"},
    ),
    "WarmlineEngineQueue": (10, {'warmline_engine_waiting_requests{replica="a"}': "17x60"}),
    "WarmlineEngineEventsLost": (15, {'warmline_engine_residency_estimated{replica="a"}': "1x60"}),
    "WarmlineReuseNotAsExpected": (
        1,
        {EXPECTED: "0+100x60", FOUND: "0+40x60", PROMPT_TOKENS: "0+200x60", ANSWERS: "0+9x60"},
    ),
    "WarmlineRedisFailing": (2, {REDIS % "ok": "0+80x60", REDIS % "skipped": "0+20x60"}),
    "WarmlineDatabaseFailing": (5, {DATABASE % "failed": "0+1x60"}),
    "WarmlineMetricsIncomplete": (5, {'warmline_metrics_agents{read="no"}': "1x60"}),
}
"""Series that make an alert fire, and after how many minutes."""
HEALTHY = {
    'up{job="warmline",instance="a"}': "1x60",
    REQUESTS: "0+100x60",
    ERRORS % "not_found": "0+50x60",
    ERRORS % "overloaded": "0+1x60",
    ERRORS % "engine_unavailable": "0+1x60",
    FIRST_TOKEN % "5.0": "0+99x60",
    FIRST_TOKEN % "+Inf": "0+100x60",
    'warmline_engine_waiting_requests{replica="a"}': "16x60",
    'warmline_engine_residency_estimated{replica="a"}': "0x60",
    EXPECTED: "0+100x60",
    FOUND: "0+90x60",
    PROMPT_TOKENS: "0+150x60",
    ANSWERS: "0+9x60",
    REDIS % "ok": "0+99x60",
    REDIS % "failed": "0+1x60",
    DATABASE % "ok": "0+9x60",
    DATABASE % "rolled_back": "0+9x60",
    'warmline_metrics_agents{read="no"}': "0x60",
}
"""Series of an application that has no fault. None may be the cause of an alert."""


def case(series: dict[str, str], firing: dict[int, list[str]]) -> dict[str, Any]:
    """A test of promtool: after these minutes, these alerts fire."""
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{minutes}m",
                "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in names],
            }
            for minutes, names in firing.items()
        ],
    }


def test_each_alert_waits_and_fires(tmp_path: Path) -> None:
    """By Prometheus's own tool, in simulated time. An application without a fault raises none."""
    rules = yaml.safe_load((DASHBOARDS / "alerts.yaml").read_text())["groups"][0]["rules"]
    assert {rule["alert"] for rule in rules} == FAULTS.keys()
    cases = [case(HEALTHY, {50: []})]
    for name, (minutes, series) in FAULTS.items():
        # A rate needs two samples, so it has a value a minute later than a gauge.
        cases.append(case(series, {minutes - 1: [], minutes + 2: [name]}))
    # No series yet of what was expected; and too few answers for an alert.
    unexpected = {FOUND: "0+100x60", PROMPT_TOKENS: "0+200x60"}
    cases.append(case(unexpected | {ANSWERS: "0+9x60"}, {5: ["WarmlineReuseNotAsExpected"]}))
    cases.append(case(unexpected | {ANSWERS: "0+1x60"}, {5: []}))
    tests = {"rule_files": [str(DASHBOARDS / "alerts.yaml")], "evaluation_interval": "1m", "tests": cases}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(tests))
    promtool("test", "rules", str(tmp_path / "tests.yaml"))


def test_the_files_are_valid() -> None:
    """By Prometheus's own tool."""
    promtool("check", "config", str(DASHBOARDS / "prometheus.yaml"))
    promtool("check", "rules", str(DASHBOARDS / "alerts.yaml"))


def promtool(*arguments: str) -> None:
    """Runs promtool; fails with what it says."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
