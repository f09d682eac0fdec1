"""`GET /metrics` and the cache's history over HTTP."""

from __future__ import annotations

from deployments.core.ids import TenantId
from tests.unit.serve_app.fake_services import Api, error_of

KEY, OPERATOR = "acme-key-0123456789", "operator-key-0123456789"


async def test_metrics_are_text(api):
    """In the format that Prometheus knows by its type."""
    response = await api.http.get("/metrics")
    assert response.text == "warmline_answers_total 1.0\n"
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_only_the_operator_reads_metrics():
    """They add up what all tenants do."""
    api = Api(api_keys=f"{KEY}=acme,{OPERATOR}=*")
    statuses = [
        (await api.http.get("/metrics", headers=headers)).status_code
        for headers in ({}, {"Authorization": f"Bearer {KEY}"}, {"Authorization": f"Bearer {OPERATOR}"})
    ]
    assert statuses == [401, 403, 200]
    refused = await api.http.get("/metrics", headers={"Authorization": f"Bearer {KEY}"})
    assert "operator's key" in error_of(refused)["message"]


async def test_the_history_of_each_agent(api):
    """Columns of one length; the time to the first token is a mean, and null where nothing was answered."""
    body = (await api.http.get("/v1/cache/history", headers={"X-Business-Id": "acme"})).json()
    assert set(body) == {"support", "business", "documentation"}
    assert {scope.tenant for scope in api.history.asked} == {TenantId("acme")}
    for span, steps, step_s in (("hour", 60, 60), ("day", 144, 600)):
        series = body["support"][span]
        assert (series.pop("step_s"), series.pop("begin_unix_s")) == (step_s, 1000 * step_s)
        assert {len(column) for column in series.values()} == {steps}
        assert {name: column[-1] for name, column in series.items()} == {
            "answers": 2,
            "segments_found": 10,
            "segments_tokenized": 2,
            "prompt_tokens": 3000,
            "kv_cached_tokens": 2400,
            "ttft_ms": 75.0,
        }
        assert series["ttft_ms"][0] is None
