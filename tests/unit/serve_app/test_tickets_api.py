"""What the support routes refuse, and by which field; pictures; a report on nothing.

Stored tickets over the same routes: tests/contract/records/test_tickets_api.py.
"""

import pytest

from tests.unit.agents.image_files import png
from tests.unit.serve_app.fake_services import error_of

TICKETS = "/v1/support/tickets"
IMAGE = png(400, 200)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"issue_description": "x"}, "user_id"),
        ({"user_id": "ann", "issue_description": " "}, "issue_description"),
        ({"user_id": "ann", "issue_description": "a\0b"}, "issue_description"),
        ({"user_id": "ann", "issue_description": "x", "priority": "critical"}, "priority"),
        ({"user_id": "ann", "issue_description": "x", "colour": "red"}, "colour"),
    ],
)
async def test_a_bad_ticket_is_refused_by_its_field(api, body, param):
    """Nothing is opened."""
    response = await api.http.post(TICKETS, json=body)
    assert (response.status_code, error_of(response)["param"]) == (400, param)
    assert api.desk.histories == {}


@pytest.mark.parametrize("key", ["two words", "ä", "", "x" * 201])
async def test_a_bad_key_is_refused(api, key):
    """The key could not be stored, or not be read back unchanged."""
    body = {"user_id": "ann", "issue_description": "x"}
    response = await api.http.post(TICKETS, json=body, headers={"Idempotency-Key": key.encode()})
    assert (response.status_code, error_of(response)["param"]) == (400, "Idempotency-Key")


@pytest.mark.parametrize(
    ("start", "end", "param"),
    [
        ("yesterday", "2026-01-01", "start"),
        ("2026-01-01", "", "end"),
        ("2026-01-02", "2026-01-01", "end"),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:00", "end"),
        ("2026-01-01", "9999-12-31", "end"),
    ],
)
async def test_a_period_that_is_none_is_refused(api, start, end, param):
    """The error has the parameter's name."""
    response = await api.http.get("/v1/support/report", params={"start": start, "end": end})
    error = error_of(response)
    assert (response.status_code, error["param"]) == (400, param)
    assert error["message"].startswith(f"{param} must")
    assert "_date" not in error["message"]


async def test_a_report_on_nothing_says_so(api):
    """Rates without tickets are null, not 0."""
    response = await api.http.get("/v1/support/report", params={"start": "2026-01-01", "end": "2026-01-31"})
    found = response.json()
    assert (found["empty"], found["note"]) == (True, "no ticket was opened in this period")
    assert found["period"] == {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"}
    assert found["first_response"] == {"count": 0, "median_s": None, "p95_s": None}
    assert found["escalation_rate"] is None


async def test_search_passes_everything_on(api):
    """The category is a section, and the tenant's collection is the agent's."""
    params = {"query": "How?", "category": "api", "top_k": 2}
    response = await api.http.get("/v1/support/search", params=params, headers={"X-Business-Id": "acme"})
    assert response.json()["total_results"] == 2
    (query,) = api.rig.retriever.queries
    assert (query.text, query.section, query.top_k, str(query.scope)) == ("How?", "api", 2, "acme/support_kb")
    for bad in ({"query": " "}, {"query": "x", "top_k": 51}, {"query": "x", "category": ""}, {}):
        assert (await api.http.get("/v1/support/search", params=bad)).status_code == 400


async def test_a_picture_is_read_from_a_form_or_from_the_body(api):
    """With the issues to look for in it."""
    form = await api.http.post(
        f"{TICKETS}/images",
        files={"image": ("../../etc/passwd.png", IMAGE, "image/png")},
        data={"expected_issues": ["export failed", "login"]},
    )
    assert form.status_code == 200, form.text
    assert form.json()["detected_issues"] == ["export failed"]
    assert form.json()["missing_issues"] == ["login"]
    headers = {"content-type": "image/png"}
    params = {"expected_issues": ["login", "export failed"]}
    raw = await api.http.post(f"{TICKETS}/images", content=IMAGE, headers=headers, params=params)
    assert raw.json()["detected_issues"] == ["export failed"]
    plain = await api.http.post(f"{TICKETS}/images", content=IMAGE, headers=headers)
    assert plain.json()["compressed_markdown"] == "Export failed"
    assert plain.json()["detected_issues"] is None


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"GIF89a...", "image/gif", 415),
        (IMAGE, "image/jpeg", 415),
        (b'{"image": "/etc/passwd"}', "application/json", 415),
        (png(10_000, 10_000), "image/png", 413),
        (b"", "image/png", 400),
        (b"x", "multipart/form-data", 400),
        (b"x", "multipart/form-data; boundary=b", 400),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_pictures_that_are_none_or_too_large_are_refused(api, content, kind, status):
    """By type and by the header's number of pixels, before anything is decoded."""
    response = await api.http.post(f"{TICKETS}/images", content=content, headers={"content-type": kind})
    assert response.status_code == status, response.text
    assert error_of(response)


async def test_a_picture_of_too_many_bytes_is_refused_in_both_forms(api):
    """50 MB, before they are read."""
    large = IMAGE + bytes(50 * 2**20)
    raw = await api.http.post(f"{TICKETS}/images", content=large, headers={"content-type": "image/png"})
    form = await api.http.post(f"{TICKETS}/images", files={"image": large})
    assert (raw.status_code, form.status_code) == (413, 413)


async def test_a_path_is_a_text_and_no_picture(api):
    """In any field of the form."""
    for form in ({"files": {"other": IMAGE}, "data": {"image": "/etc/passwd"}}, {"data": {"image": "/x"}}):
        response = await api.http.post(f"{TICKETS}/images", **form)
        assert response.status_code in {400, 415}, response.text
