"""The support agent in the running application: tickets, memory, report, search, pictures."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from tests.integration.application.running import Application

TICKETS = "/v1/support/tickets"
TENANT = {"x-business-id": "tickets-inc"}


def post(application: Application, path: str, **body: Any) -> dict[str, Any]:
    response = application.http.post(f"{TICKETS}{path}", json=body, headers=TENANT)
    assert response.status_code in {200, 201}, response.text
    made: dict[str, Any] = response.json()
    return made


def test_a_life_of_a_ticket_and_the_report_that_follows_from_it(application: Application) -> None:
    """The response recalls what solved a similar ticket, found by the real embedding model."""
    solved = post(application, "", user_id="bob", issue_description="I can't log in to my account")
    post(application, f"/{solved['ticket_id']}/resolution", solution="Reset the password by e-mail")
    ticket = post(
        application, "", user_id="ann", issue_description="Signing in to my account fails", priority="low"
    )
    path = f"/{ticket['ticket_id']}"
    response = post(application, f"{path}/responses", response="Reset your password")
    assert response["response_time_s"] > 0
    (similar,) = response["memory_context"]["similar_solutions"]
    assert similar["solution"] == "Reset the password by e-mail"
    assert 0.3 < similar["similarity"] < 1
    escalation = post(
        application, f"{path}/escalation", escalation_reason="No e-mail came", escalation_team="accounts"
    )
    assert (escalation["original_priority"], escalation["new_priority"]) == ("low", "medium")
    post(application, f"{path}/responses", response="Sent again", resolution_type="resolved")
    post(application, f"{path}/rating", user_id="ann", score=5)
    closed = post(application, f"{path}/closure")
    assert closed["status"] == "closed"
    refused = application.http.post(f"{TICKETS}{path}/closure", json={}, headers=TENANT)
    assert refused.status_code == 409
    assert application.http.get(f"{TICKETS}{path}").status_code == 404  # of another tenant
    day = ticket["created_at"][:10]
    params = {"start": day, "end": closed["updated_at"][:10]}
    report = application.http.get("/v1/support/report", params=params, headers=TENANT).json()
    assert (report["tickets"], report["by_status"]["closed"], report["by_status"]["resolved"]) == (2, 1, 1)
    assert (report["escalation_rate"], report["sla_breaches"]) == (50.0, 0)
    assert report["satisfaction"] == {"ratings": 1, "mean": 5.0}
    assert {"term": "account", "tickets": 2} in report["top_topics"]


def test_a_repeated_call_opens_one_ticket(application: Application) -> None:
    """Through the real handles."""
    headers = TENANT | {"Idempotency-Key": "once"}
    body = {"user_id": "eve", "issue_description": "Nothing works"}
    answers = [application.http.post(TICKETS, json=body, headers=headers) for _ in range(2)]
    assert answers[0].status_code == 201
    assert answers[0].content == answers[1].content
    listed = application.http.get(TICKETS, params={"user_id": "eve"}, headers=TENANT).json()
    assert [found["ticket_id"] for found in listed["tickets"]] == [answers[0].json()["ticket_id"]]


def test_the_knowledge_base_is_searched_by_category(application: Application) -> None:
    """In the samples that come with the application."""
    params = {"query": "How do I reset my password?", "top_k": "3"}
    found = application.http.get("/v1/support/search", params=params).json()
    assert "reset-forgotten-password" in [hit["doc_id"] for hit in found["results"]]
    found = application.http.get("/v1/support/search", params=params | {"category": "api"}).json()
    assert {hit["section"] for hit in found["results"]} <= {"api"}


def test_the_text_in_a_picture_is_read(application: Application) -> None:
    """A rendered error dialog, by the real OCR; what is expected is looked for."""
    picture = Image.new("RGB", (700, 200), "white")
    font = ImageFont.load_default(size=32)
    ImageDraw.Draw(picture).text((40, 60), "Upload failed: disk quota exceeded", fill="black", font=font)
    file = io.BytesIO()
    picture.save(file, "PNG")
    response = application.http.post(
        f"{TICKETS}/images",
        files={"image": ("screen.png", file.getvalue(), "image/png")},
        data={"expected_issues": ["quota exceeded", "login failed"]},
    )
    assert response.status_code == 200, response.text
    read = response.json()
    assert read["compressed_markdown"] == "Upload failed: disk quota exceeded"
    assert (read["detected_issues"], read["missing_issues"]) == (["quota exceeded"], ["login failed"])
    assert read["baseline_tokens"] > read["tokens_used"] > 0
