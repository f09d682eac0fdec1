"""The support routes over stored tickets: shapes, statuses, pages, repeated calls, and a restart."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deployments.core.documents import DocumentDraft
from deployments.core.ids import DEFAULT_TENANT, CollectionName, DocId, Scope
from deployments.core.records.ports import IdempotencyKeys, TicketDesk
from deployments.core.replica import serving
from serve_app.remote import client_of
from tests.contract.records.conftest import Open, Records
from tests.local_handle import LocalHandle, replica_of
from tests.unit.serve_app.fake_services import Api, error_of

TICKETS = "/v1/support/tickets"
ISSUE = "The invoice export fails with error 500"


async def api_of(records: Records) -> Api:
    """The API over stored records, with a replica and clients in between, as in the application."""
    replica = LocalHandle(
        await replica_of(serving(TicketDesk)(records.tickets), serving(IdempotencyKeys)(records.idempotency))
    )
    desk = client_of(TicketDesk, replica, "the knowledge base")
    keys = client_of(IdempotencyKeys, replica, "the knowledge base")
    return Api(desk=desk, retriever=records.knowledge, keys=keys)


@pytest.fixture
async def api(records: Records) -> Api:
    return await api_of(records)


async def post(api: Api, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
    """Posts to a path below the tickets; returns the response's body, after checking the status."""
    response = await api.http.post(f"{TICKETS}{path}", json=body)
    assert response.status_code == status, response.text
    found: dict[str, Any] = error_of(response) if status >= 400 else response.json()
    return found


async def create(api: Api, user: str = "ann", issue: str = ISSUE, **more: Any) -> str:
    made = await post(api, "", 201, user_id=user, issue_description=issue, **more)
    return str(made["ticket_id"])


async def report(api: Api) -> dict[str, Any]:
    params = {"start": "1970-01-01", "end": "1970-01-01"}  # the tests' clock starts there
    response = await api.http.get("/v1/support/report", params=params)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_a_whole_life_and_the_report_on_it_are_the_same_after_a_restart(
    reopen: Open,
) -> None:
    records = await reopen()
    api = await api_of(records)
    ticket = await post(api, "", 201, user_id="ann", issue_description=ISSUE, priority="high")
    path = f"/{ticket['ticket_id']}"
    assert ticket["status"] == "open"
    due = datetime.fromisoformat(ticket["sla_deadline"]) - datetime.fromisoformat(ticket["created_at"])
    assert due == timedelta(hours=8)
    records.clock.pass_s(60)
    response = await post(api, f"{path}/responses", response="Which one?")
    assert (response["status"], response["resolution_type"]) == ("responded", "answered")
    assert response["response_time_s"] == 60.0
    assert response["memory_context"] == {"earlier_tickets": [], "similar_solutions": []}
    escalation = await post(
        api, f"{path}/escalation", escalation_reason="Needs the database", escalation_team="backend"
    )
    assert (escalation["original_priority"], escalation["new_priority"]) == ("high", "urgent")
    assert escalation["escalation_team"] == "backend"
    records.clock.pass_s(60)
    assert (await post(api, f"{path}/resolution", solution="Repaired"))["status"] == "resolved"
    assert (await post(api, f"{path}/reopening", reason="No"))["solution"] is None
    await post(api, f"{path}/responses", response="Now it works", resolution_type="resolved")
    assert (await post(api, f"{path}/rating", user_id="ann", score=4))["rating"] == 4
    assert (await post(api, f"{path}/closure"))["status"] == "closed"
    found = (await api.http.get(f"{TICKETS}{path}")).json()
    counted = await report(api)
    assert (counted["tickets"], counted["by_status"]["closed"], counted["by_priority"]["urgent"]) == (1, 1, 1)
    assert counted["first_response"] == {"count": 1, "median_s": 60.0, "p95_s": 60.0}
    assert counted["resolution"]["median_s"] == 120.0
    assert counted["satisfaction"] == {"ratings": 1, "mean": 4.0}
    assert (counted["escalation_rate"], counted["empty"], counted["note"]) == (100.0, False, None)
    await records.close()
    api = await api_of(await reopen())
    assert (await api.http.get(f"{TICKETS}{path}")).json() == found
    assert [event["kind"] for event in found["history"]] == [
        "created",
        "responded",
        "escalated",
        "resolved",
        "reopened",
        "responded",
        "rated",
        "closed",
    ]
    assert await report(api) | {"generated_at": counted["generated_at"]} == counted


async def test_memory_comes_with_a_response_unless_it_is_switched_off(api: Api) -> None:
    helped = await create(api, "bob")
    await post(api, f"/{helped}/resolution", solution="Choose a shorter period")
    earlier = await create(api, "ann", "My picture is gone")
    path = f"/{await create(api)}/responses"
    memory = (await post(api, path, response="Try that"))["memory_context"]
    assert [ticket["ticket_id"] for ticket in memory["earlier_tickets"]] == [earlier]
    (solution,) = memory["similar_solutions"]
    assert (solution["ticket_id"], solution["solution"]) == (helped, "Choose a shorter period")
    assert (await post(api, path, response="Well?", enable_memory=False))["memory_context"] is None


async def test_an_unknown_ticket_is_404_and_a_change_that_is_not_allowed_409(api: Api) -> None:
    path = f"/{await create(api)}"
    assert (await post(api, f"{path}/closure", 409))["code"] == "conflict"
    refused = await post(api, f"{path}/rating", 409, user_id="ann", score=3)
    assert "responded to, escalated, resolved" in refused["message"]
    await post(api, f"{path}/resolution", solution="Done")
    await post(api, f"{path}/responses", 409, response="More")
    await post(api, f"{path}/rating", 403, user_id="bob", score=3)
    for unknown in ("/ticket-00", "/x y"):
        await post(api, f"{unknown}/responses", 404, response="Hi")
        assert (await api.http.get(f"{TICKETS}{unknown}")).status_code == 404
    other = await api.http.get(f"{TICKETS}{path}", headers={"X-Business-Id": "other"})
    assert other.status_code == 404


async def test_pages_and_filters(api: Api) -> None:
    """The last page says that it is the last."""
    made = []
    for user in ("ann", "bob", "ann", "ann"):
        made.append(await create(api, user))
        await asyncio.sleep(0.002)  # ids that were made in the same millisecond have no order

    async def page(**params: Any) -> tuple[list[str], str | None]:
        found = (await api.http.get(TICKETS, params=params)).json()
        return [ticket["ticket_id"] for ticket in found["tickets"]], found["next"]

    newest = made[::-1]
    assert await page(limit=2) == (newest[:2], newest[1])
    assert await page(limit=2, after=newest[1]) == (newest[2:], None)
    assert await page(user_id="bob", status="open", priority="medium") == ([made[1]], None)
    assert await page(status="closed") == ([], None)
    assert len((await page(limit=500))[0]) == 4
    for bad in ({"limit": 0}, {"limit": 501}, {"status": "lost"}, {"state": "open"}):
        assert (await api.http.get(TICKETS, params=bad)).status_code == 400


async def test_a_repeated_key_opens_one_ticket_and_answers_the_same(api: Api) -> None:
    """Also when the call is sent many times at once, and after the ticket has changed."""
    body, headers = {"user_id": "ann", "issue_description": ISSUE}, {"Idempotency-Key": "k-1"}

    async def send(**changed: Any) -> Any:
        return await api.http.post(TICKETS, json=body | changed, headers=headers)

    first = await send()
    await post(api, f"/{first.json()['ticket_id']}/resolution", solution="Done")
    again = await send()
    assert (again.status_code, again.content) == (201, first.content)
    assert (first.headers.get("Idempotent-Replayed"), again.headers["Idempotent-Replayed"]) == (None, "true")
    assert (await send(issue_description="Another")).status_code == 409
    headers["Idempotency-Key"] = "k-2"
    statuses = sorted(response.status_code for response in await asyncio.gather(*(send() for _ in range(5))))
    assert set(statuses) <= {201, 409}
    assert statuses[0] == 201
    assert len((await api.http.get(TICKETS)).json()["tickets"]) == 2
    headers["Idempotency-Key"] = "no blanks"
    assert (await send()).status_code == 400


async def test_an_attempt_whose_response_was_not_stored_is_found_by_the_next_one(
    api: Api, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ticket was opened, but storing the response failed. Repeating the call opens no second one."""
    body, headers = {"user_id": "ann", "issue_description": ISSUE}, {"Idempotency-Key": "k-1"}

    async def fail(*_: object) -> None:
        raise OSError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(records.idempotency, "keep", fail)
        failing = await api_of(records)
        assert (await failing.http.post(TICKETS, json=body, headers=headers)).status_code == 500
    again = await api.http.post(TICKETS, json=body, headers=headers)
    assert again.status_code == 201
    listed = (await api.http.get(TICKETS)).json()["tickets"]
    assert [ticket["ticket_id"] for ticket in listed] == [again.json()["ticket_id"]]


async def test_search_finds_passages_of_a_category_with_their_scores(api: Api, records: Records) -> None:
    scope = Scope(DEFAULT_TENANT, CollectionName("support_kb"))
    for doc, section, text in (
        ("reset", "accounts", "To reset a password, press Reset."),
        ("api", "api", "To reset a token, call the password route."),
    ):
        draft = DocumentDraft(DocId(doc), doc, section, "text/plain", text.encode())
        await records.knowledge.put(scope, draft)

    async def search(**params: Any) -> dict[str, Any]:
        response = await api.http.get("/v1/support/search", params=params)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    everything = await search(query="reset a password")
    assert [hit["doc_id"] for hit in everything["results"]] == ["reset", "api"]
    assert everything["results"][0]["text"] == "To reset a password, press Reset."
    assert everything["results"][0]["score"] >= everything["results"][1]["score"] > 0
    assert (everything["total_results"], everything["category"]) == (2, None)
    found = await search(query="reset a password", category="api", top_k=1)
    assert [(hit["doc_id"], hit["section"]) for hit in found["results"]] == [("api", "api")]
    assert (await search(query="reset a password", category="billing"))["results"] == []


async def test_moments_and_days_bound_a_report(api: Api, records: Records) -> None:
    """An end that is a day is included; an end that is a moment is not. UTC offsets count."""
    await create(api)
    at = datetime.fromtimestamp(records.clock(), UTC)

    async def counted(start: object, end: object) -> int:
        params = {"start": str(start), "end": str(end)}
        return int((await api.http.get("/v1/support/report", params=params)).json()["tickets"])

    assert await counted(at.date(), at.date()) == 1
    assert await counted(at.isoformat(), (at + timedelta(seconds=1)).isoformat()) == 1
    assert await counted((at - timedelta(days=1)).isoformat(), at.isoformat()) == 0
    assert await counted("1970-01-01T01:00:00+02:00", "1970-01-01T02:30:00+02:00") == 1
    assert await counted("1970-01-01T01:00:00+02:00", "1970-01-01T02:10:00+02:00") == 0
