"""One id of a request: in the response's header, in its body, and in what the agents and the engine get."""

import pytest
from httpx import ASGITransport, AsyncClient
from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from serve_app.fast_path.middleware import ServeGuard
from serve_app.request_ids import request_id
from tests.unit.serve_app.fake_services import Api

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACE_PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
ANSWER = {"query": "How do I reset my password?"}
CHAT = {"model": "support", "messages": [{"role": "user", "content": "How?"}]}


@pytest.mark.parametrize(
    "chosen", ["a", "0d839b91-3e38-4dc5-a2b2-4e09793da9a6", "Root=1-67891233:ab/c", "x" * 128]
)
def test_a_caller_may_choose_the_id(chosen):
    assert request_id(Headers({"x-request-id": chosen, "traceparent": TRACE_PARENT})) == chosen


@pytest.mark.parametrize("chosen", ["", " ", "a b", "a\n", "-a", "x" * 129, "ä", 'a"', "a,b"])
def test_an_id_that_cannot_be_one_is_replaced(chosen):
    """It stands unescaped in logs. The request is answered: a proxy may have sent the header."""
    made = {request_id(Headers({"x-request-id": chosen})) for _ in range(2)}
    assert len(made) == 2
    assert all(one.startswith("req-") for one in made)


def test_the_trace_id_is_used_if_there_is_no_other():
    assert request_id(Headers({"traceparent": TRACE_PARENT})) == TRACE
    for invalid in (f"00-{'0' * 32}-00f067aa0ba902b7-01", TRACE, f"{TRACE_PARENT}-more"):
        assert request_id(Headers({"traceparent": invalid})).startswith("req-")


@pytest.mark.parametrize("headers", [{}, {"x-request-id": "mine-1"}, {"traceparent": TRACE_PARENT}])
async def test_header_body_and_engine_have_one_id(headers):
    api = Api()
    answered = await api.http.post("/v1/support/answer", json=ANSWER, headers=headers)
    name = answered.headers["x-request-id"]
    assert name == answered.json()["request_id"] == api.rig.generator.requests[-1].request_id
    assert name in {"mine-1", TRACE} or (not headers and name.startswith("req-"))
    chat = await api.http.post("/v1/chat/completions", json=CHAT, headers=headers)
    assert chat.headers["x-request-id"] == chat.json()["id"] == chat.json()["warmline"]["request_id"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/none"), ("POST", "/v1/support/answer"), ("GET", "/v1/documentation/none")]
)
async def test_an_error_has_the_id_in_its_header(method, path):
    response = await Api().http.request(method, path, headers={"x-request-id": "mine-1"})
    assert response.status_code >= 400
    assert response.headers.get_list("x-request-id") == ["mine-1"]


async def test_a_refused_caller_gets_the_id_too():
    api = Api(api_keys="0123456789abcdef=acme")
    response = await api.http.post("/v1/support/answer", json=ANSWER)
    assert response.status_code == 401
    assert response.headers["x-request-id"].startswith("req-")


async def test_serve_sees_the_id_and_adds_no_second_header():
    """Serve's own middleware takes the request's header, and appends it to the response."""
    seen = []

    async def serve_and_application(scope, receive, send):
        seen.append(Headers(scope=scope)["x-request-id"])
        own = {"x-request-id": seen[0], "X-Request-ID": seen[0]}
        await JSONResponse({}, headers=own)(scope, receive, send)

    transport = ASGITransport(ServeGuard(serve_and_application))
    async with AsyncClient(transport=transport, base_url="http://x") as client:
        response = await client.get("/", headers={"x-request-id": "not an id"})
    assert response.headers.get_list("x-request-id") == seen
    assert seen[0].startswith("req-")
