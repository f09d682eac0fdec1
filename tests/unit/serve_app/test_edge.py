"""The outermost middleware: bodies that are too large, clients that leave, and a request's clock."""

import asyncio

import anyio.to_thread
import pytest
from fastapi import Request
from starlette.responses import StreamingResponse

from serve_app.edge import EdgeClock
from tests.unit.rag.rig import Rig
from tests.unit.serve_app.fake_services import Api, error_of

LIMIT = 2048
PUT = "/v1/collections/support_kb/documents/doc"
MARKDOWN = {"Content-Type": "text/markdown"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def api():
    return Api(max_body_bytes=LIMIT)


async def in_pieces(total):
    """A body without a declared length."""
    for start in range(0, total, 500):
        yield b"x" * min(500, total - start)


def scope(path="/v1/support/answer", **headers):
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")]
        + [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }


@pytest.mark.parametrize(
    ("method", "path", "headers"), [("PUT", PUT, MARKDOWN), ("POST", "/v1/support/answer", JSON)]
)
@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_that_is_too_large_is_refused(api, method, path, headers, declared):
    """By its declared length, or when its chunks exceed the limit; the route never sees it."""
    body = b"x" * (LIMIT + 1) if declared else in_pieces(LIMIT + 1)
    response = await api.http.request(method, path, content=body, headers=headers)
    assert response.status_code == 413
    error = error_of(response)
    assert error["code"] == "payload_too_large"
    assert str(LIMIT) in error["message"]
    assert api.library.drafts == []


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_of_the_limit_is_accepted(api, declared):
    """The last allowed byte is allowed."""
    body = b"x" * LIMIT if declared else in_pieces(LIMIT)
    response = await api.http.put(PUT, content=body, headers=MARKDOWN)
    assert response.status_code == 200
    assert len(api.library.drafts[0].raw) == LIMIT


async def test_a_body_that_is_declared_too_large_is_never_read(api):
    """A client that announces gigabytes can't send them."""
    sent = []

    async def receive():
        raise AssertionError("read")

    async def send(message):
        sent.append(message)

    await api.app(scope(**{"content-length": "9" * 30}), receive, send)
    assert sent[0]["status"] == 413


async def test_the_rest_of_a_body_that_is_not_much_too_large_is_read_before_the_answer(api):
    """Otherwise a client that reads only after it has sent gets a connection reset, not the answer."""
    pieces = [b"x" * 1000] * 5
    read: list[int] = []

    async def receive():
        read.append(len(read))
        return {"type": "http.request", "body": pieces[len(read) - 1], "more_body": len(read) < len(pieces)}

    async def send(message):
        assert len(read) == len(pieces)

    await api.app(scope(**{"content-length": "5000"}), receive, send)
    assert len(read) == len(pieces)


async def test_a_body_larger_than_declared_is_refused_too(api):
    """A wrong declared length does not bypass the limit."""
    pieces = [b"x" * 1500, b"x" * 1500]
    sent = []

    async def receive():
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message):
        sent.append(message)

    await api.app(scope(**{"content-length": "10"}), receive, send)
    assert sent[0]["status"] == 413


@pytest.mark.parametrize("path", ["/v1/support/answer", PUT])
async def test_a_client_that_goes_while_it_sends_is_no_error(api, path, caplog):
    """Nothing is answered, stored or logged as an error."""
    messages = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]

    async def receive():
        return messages.pop(0)

    async def send(message):
        assert message.get("status", 400) < 500

    await api.app(scope(path) | {"method": "PUT" if path == PUT else "POST"}, receive, send)
    assert api.library.drafts == []
    assert caplog.records == []


async def test_an_exception_after_the_headers_starts_no_second_response(api):
    """A response that has begun can't become an error: the server closes the connection."""
    sent = []

    async def pieces():
        yield b"x"
        raise RuntimeError("half way")

    async def route():
        return StreamingResponse(pieces())

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message["type"])

    api.app.add_api_route("/half", route)
    asgi = {"version": "3.0", "spec_version": "2.4"}
    with pytest.raises(RuntimeError, match="half way"):
        await api.app(scope("/half") | {"method": "GET", "asgi": asgi}, receive, send)
    assert sent == ["http.response.start", "http.response.body"]


async def test_cancelling_a_request_reaches_the_agent(api):
    """A cancelled request gets no error response; it ends, also while it searches."""
    api.rig.retriever.hangs = True
    request = asyncio.ensure_future(api.http.post("/v1/support/answer", json={"query": "x"}))
    for _ in range(1000):
        await asyncio.sleep(0)
        if api.rig.retriever.queries:
            break
    assert api.rig.retriever.queries
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request


async def test_no_request_goes_through_a_thread(api, monkeypatch):
    """FastAPI runs plain functions in a thread, which costs more than all of the edge's work."""

    async def refuse(*_, **__):
        raise AssertionError("a thread was asked for")

    monkeypatch.setattr(anyio.to_thread, "run_sync", refuse)
    assert (await api.http.post("/v1/support/answer", json={"query": "x"})).status_code == 200
    assert (await api.http.put(PUT, content=b"text", headers=MARKDOWN)).status_code == 200
    assert (await api.http.get(PUT.rpartition("/")[0])).status_code == 200
    for path in ("/v1/cache/stats", "/healthz", "/readyz", "/docs", "/openapi.json"):
        assert (await api.http.get(path)).status_code == 200


async def test_requests_do_not_share_a_clock():
    """Each request has its own clock, even if the server gives the same state to all."""
    seen = []

    async def route(request: Request):
        seen.append(request.state.clock)

    api = Api(Rig())
    api.app.add_api_route("/clock", route)
    shared = {"from": "lifespan"}

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_):
        pass

    for _ in range(2):
        await api.app(scope("/clock") | {"method": "GET", "state": shared}, receive, send)
    assert len({id(clock) for clock in seen}) == 2
    assert shared == {"from": "lifespan"}


async def test_websockets_are_not_served(api):
    """The handshake is refused without an error in the application."""
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    await api.app({**scope(), "type": "websocket"}, receive, send)
    assert sent[0]["type"] == "websocket.close"


async def test_the_edge_sees_the_total_and_the_first_token():
    """`total` is the edge's; so is `ttft` once a token was sent, and it is at most `total`."""
    answer = await Rig(()).answer()
    clock = EdgeClock()
    plain = clock.stamp(answer)
    clock.first_token()
    first = clock.stamp(answer)
    clock.first_token()
    assert plain.latency_ms == plain.timings_ms["total"]
    assert 0 <= first.timings_ms["ttft"] <= first.timings_ms["total"]
    assert clock.stamp(answer).timings_ms["ttft"] == first.timings_ms["ttft"]
    assert first.text == answer.text


async def test_what_the_edge_sends_is_a_duration_that_its_host_counts_on():
    """Nothing of it is Unix time; a process on another host counts only the time until sending."""
    spent = EdgeClock().spent()
    assert 0 <= spent.so_far_s < 5
    assert spent.until(spent.made_at_s + 2, within_s=60) == spent.so_far_s + 2
    assert spent.until(spent.made_at_s + 90, within_s=60) == spent.so_far_s + 60
    assert spent.until(spent.made_at_s + 2, within_s=60, clock_id="another host") == spent.so_far_s
