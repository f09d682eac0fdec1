"""The cache over HTTP: its figures, and clearing it for one tenant."""

from dataclasses import fields

import pytest

from deployments.core.errors import CacheUnavailable
from serve_app.http.answers import CacheStatsBody
from tests.unit.serve_app.fake_services import error_of

ACME = {"X-Business-Id": "acme"}


async def test_figures_come_by_agent(api):
    """A tenant's questions change its own figures and no other tenant's."""
    await api.http.post("/v1/support/answer", json={"query": "x"}, headers=ACME)
    body = (await api.http.get("/v1/cache/stats", headers=ACME)).json()
    assert set(body) == {"support", "business", "documentation"}
    assert set(body["support"]) == {field.name for field in fields(CacheStatsBody)}
    assert (body["support"]["cache_hits"], body["support"]["hit_rate"]) == (3, 100.0)
    assert (await api.http.get("/v1/cache/stats")).json()["support"]["cache_hits"] == 0


async def test_figures_of_a_cache_that_is_down_are_503(api):
    """No figures are invented."""
    api.rig.store.down = True
    response = await api.http.get("/v1/cache/stats")
    assert response.status_code == 503
    assert error_of(response)["code"] == "cache_unavailable"


@pytest.mark.parametrize(
    ("body", "collection"), [({}, None), ({"agent": None}, None), ({"agent": "support"}, "support_kb")]
)
async def test_clearing_empties_the_shared_cache_and_every_replicas_own(api, body, collection):
    """For the calling tenant only; the count is the shared cache's exact one."""
    response = await api.http.post("/v1/cache/clear", json=body, headers=ACME)
    assert (response.status_code, response.json()) == (200, {"cleared": 12})
    assert api.cache.cleared == [("acme", collection)]
    assert api.rig.resolver.cleared == [("acme", "support_kb")]


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"agent": "nobody"}, 404, "agent"),
        ({"agent": 5}, 400, "agent"),
        ({"tenant": "other"}, 400, "tenant"),
        ({"pattern": "*"}, 400, "pattern"),
        ({"agent": "documentation", "pattern": "a "}, 400, "pattern"),
        ({"agent": "documentation", "pattern": ""}, 400, "pattern"),
        ([], 400, None),
    ],
)
async def test_what_cannot_be_cleared_is_refused(api, body, status, param):
    """An unknown agent, and every attempt to name another tenant's entries."""
    response = await api.http.post("/v1/cache/clear", json=body)
    assert response.status_code == status
    assert error_of(response)["param"] == param
    assert api.cache.cleared == []


async def test_a_pattern_clears_the_segments_of_the_documents_it_names(api):
    """Only those of one agent and tenant in the shared cache; replicas' own caches are emptied."""
    for doc_id in ("api-1", "api-2", "guide-1"):
        path = f"/v1/collections/documentation/documents/{doc_id}"
        await api.http.put(path, content=b"# T", headers={**ACME, "Content-Type": "text/markdown"})
    body = {"agent": "documentation", "pattern": "api-*"}
    assert (await api.http.post("/v1/cache/clear", json=body, headers=ACME)).json() == {"cleared": 4}
    assert (await api.http.post("/v1/cache/clear", json=body)).json() == {"cleared": 0}
    assert api.cache.cleared == []
    assert api.lookup.resolver.cleared == [("acme", "documentation"), ("default", "documentation")]
    assert api.rig.resolver.cleared == []


async def test_a_cache_that_is_down_cannot_be_cleared(api):
    """The caller gets an error, not a count of 0."""
    api.cache.fault = CacheUnavailable("gone")
    response = await api.http.post("/v1/cache/clear", json={})
    assert response.status_code == 503
