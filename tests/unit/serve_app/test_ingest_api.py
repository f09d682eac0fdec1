"""Many documents over HTTP: one line for each, and a summary."""

import asyncio
import json

import pytest

from deployments.core.errors import KnowledgeUnavailable
from serve_app import body_limits
from serve_app.http import ingest
from tests.unit.serve_app.fake_services import Api, error_of

ROUTE = "/v1/collections/support_kb/ingest"
LINES = {"Content-Type": "application/x-ndjson"}


def parts(*files):
    return [("file", (name, content, kind)) for name, content, kind in files]


def markdown(*names):
    return parts(*((name, b"# Title", "text/markdown") for name in names))


def lines_of(response):
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/x-ndjson"
    *outcomes, summary = map(json.loads, response.content.splitlines())
    return {outcome["doc_id"]: outcome for outcome in outcomes}, summary


async def test_each_file_of_a_form_is_stored(api):
    """A file that can't be read does not end the others."""
    files = parts(
        ("a.md", b"# A", "text/markdown"), ("b.xyz", b"x", "text/xyz"), ("c.pdf", b"%PDF", "application/pdf")
    )
    outcomes, summary = lines_of(await api.http.post(ROUTE, files=files))
    assert outcomes["a.md"] == {
        "doc_id": "a.md",
        "status": "stored",
        "version": 1,
        "chunks": 2,
        "warnings": [],
        "error": None,
    }
    assert outcomes["b.xyz"]["status"] == "refused"
    assert outcomes["b.xyz"]["error"]["code"] == "unsupported_media_type"
    assert outcomes["c.pdf"]["status"] == "stored"
    assert summary == {
        "documents": 3,
        "stored": 2,
        "unchanged": 0,
        "refused": 1,
        "failed": 0,
        "error": None,
    }
    assert len(api.changes) == 2


async def test_lines_of_json_have_labels(api):
    line = {"doc_id": "a", "content": "text", "title": "T", "metadata": {"lang": "en"}}
    outcomes, _ = lines_of(await api.http.post(ROUTE, content=json.dumps(line), headers=LINES))
    assert outcomes["a"]["status"] == "stored"
    (draft,) = api.library.drafts
    assert (draft.title, draft.metadata) == ("T", {"lang": "en"})


async def test_a_document_fails_while_the_knowledge_base_is_gone(api):
    """It is not refused: the same request can succeed later."""
    api.library.fault = KnowledgeUnavailable("gone")
    outcomes, summary = lines_of(await api.http.post(ROUTE, files=markdown("a")))
    assert (outcomes["a"]["status"], summary["failed"]) == ("failed", 1)
    assert outcomes["a"]["error"]["code"] == "knowledge_unavailable"


async def test_an_id_is_taken_once(api):
    response = await api.http.post(ROUTE, files=markdown("a", "a"))
    statuses = [json.loads(line).get("status") for line in response.content.splitlines()]
    assert sorted(statuses[:-1]) == ["refused", "stored"]


async def test_documents_are_counted(api, monkeypatch):
    """Those before the limit are stored, and the summary says why the rest is not."""
    monkeypatch.setattr(ingest, "MAX_DOCUMENTS", 2)
    outcomes, summary = lines_of(await api.http.post(ROUTE, files=markdown("a", "b", "c")))
    assert (set(outcomes), summary["stored"]) == ({"a", "b"}, 2)
    assert "at most 2 documents" in summary["error"]["message"]


async def test_all_bytes_are_counted(monkeypatch):
    """Also of a body without a length."""
    monkeypatch.setattr(body_limits, "MAX_INGEST_BYTES", 3000)
    api = Api(max_body_bytes=1024)

    async def body():
        for number in range(9):
            yield json.dumps({"doc_id": f"d{number}", "content": "x" * 600}).encode() + b"\n"

    _, summary = lines_of(await api.http.post(ROUTE, content=body(), headers=LINES))
    assert summary["stored"] == 4
    assert summary["error"]["code"] == "payload_too_large"


async def test_a_form_that_was_cut_off_is_reported_after_its_documents(api):
    request = api.http.build_request("POST", ROUTE, files=markdown("a", "b"))
    headers = {"Content-Type": request.headers["content-type"]}
    outcomes, summary = lines_of(await api.http.post(ROUTE, content=request.read()[:-60], headers=headers))
    assert "a" in outcomes
    assert "cut off" in summary["error"]["message"]


@pytest.mark.parametrize("kind", ["application/json", "text/markdown", ""])
async def test_other_bodies_are_refused(api, kind):
    response = await api.http.post(ROUTE, content=b"{}", headers={"Content-Type": kind})
    assert response.status_code == 415
    assert "multipart/form-data" in error_of(response)["message"]


async def test_a_client_that_hangs_up_ends_the_rest(api, monkeypatch):
    """What it sent completely may be stored; what is running is cancelled."""
    started, cancelled = asyncio.Event(), []

    async def put(scope, draft, skip_equal):
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(draft.doc_id)
            raise

    monkeypatch.setattr(api.library, "put", put)
    line = json.dumps({"doc_id": "a", "content": "x"}).encode() + b"\n"
    messages = iter([{"type": "http.request", "body": line, "more_body": True}])

    async def receive():
        if (message := next(messages, None)) is not None:
            return message
        await started.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        pass

    scope = {
        "type": "http",
        "method": "POST",
        "path": ROUTE,
        "raw_path": ROUTE.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/x-ndjson")],
    }
    async with asyncio.timeout(10):
        await api.app(scope, receive, send)
    assert cancelled == ["a"]


async def test_a_body_is_not_read_faster_than_it_is_stored(api, monkeypatch):
    """Sixteen documents are taken, and the seventeenth waits."""
    release, taken = asyncio.Event(), 0
    put = api.library.put

    async def slow_put(*arguments):
        await release.wait()
        return await put(*arguments)

    async def body():
        nonlocal taken
        for number in range(40):
            taken += 1
            yield json.dumps({"doc_id": f"d{number}", "content": "x"}).encode() + b"\n"

    monkeypatch.setattr(api.library, "put", slow_put)
    response = asyncio.create_task(api.http.post(ROUTE, content=body(), headers=LINES))
    await asyncio.sleep(0.3)
    assert taken <= ingest._AT_ONCE + 2
    release.set()
    _, summary = lines_of(await response)
    assert summary["stored"] == 40
