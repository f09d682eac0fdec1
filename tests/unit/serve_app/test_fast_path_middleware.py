"""Serve's servers obey no header of a client, and their errors have the application's body."""

from __future__ import annotations

import pytest
from httpx import ASGITransport, AsyncClient, Response
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from serve_app.fast_path.middleware import ServeGuard, middlewares


async def got(app: ASGIApp, **headers: str) -> Response:
    kinds: list[object] = [middleware.cls for middleware in middlewares()]
    assert kinds == [ServeGuard]
    async with AsyncClient(transport=ASGITransport(ServeGuard(app)), base_url="http://x") as client:
        return await client.get("/", headers=headers)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    await JSONResponse(headers)(scope, receive, send)


async def test_a_client_can_set_neither_timeout_nor_what_happens_when_it_hangs_up() -> None:
    sent = {"X-Request-Timeout-Seconds": "0.1", "X-Request-Disconnect-Disabled": "?1", "X-Other": "kept"}
    seen = (await got(echo, **sent)).json()
    assert seen["x-other"] == "kept"
    assert not {name.lower() for name in sent} - {"x-other"} & seen.keys()


@pytest.mark.parametrize(
    ("status", "code"), [(404, "not_found"), (408, "request_timeout"), (503, "unavailable")]
)
async def test_serves_own_error_has_our_body(status: int, code: str) -> None:
    """Serve's text may show internals; this body does not."""
    response = await got(PlainTextResponse("Traceback: secret", status))
    assert response.status_code == status
    assert response.json()["error"]["code"] == code
    assert "secret" not in response.text


@pytest.mark.parametrize("status", [200, 499])
async def test_other_texts_pass(status: int) -> None:
    """Health checks, and the status for a client that left."""
    response = await got(PlainTextResponse("success", status))
    assert (response.status_code, response.text) == (status, "success")


async def test_the_applications_own_errors_pass() -> None:
    response = await got(JSONResponse({"error": {"message": "ours"}}, 503))
    assert response.json() == {"error": {"message": "ours"}}


async def test_an_error_in_pieces_is_one_answer() -> None:
    async def pieces():
        yield b"one"
        yield b"two"

    response = await got(StreamingResponse(pieces(), 500, media_type="text/plain"))
    assert response.json()["error"]["type"] == "server_error"


@pytest.mark.parametrize("error", [None, ConnectionError("actor died")])
async def test_a_replica_that_dies_under_a_request_is_unavailable(error: Exception | None) -> None:
    """Serve's proxy raises, or returns without a response, for which its server would answer 500."""

    async def dies(_scope: Scope, _receive: Receive, _send: Send) -> None:
        if error:
            raise error

    response = await got(dies)
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert response.json()["error"]["code"] == "unavailable"


async def test_after_the_headers_an_exception_is_the_servers() -> None:
    async def dies(scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse({})(scope, receive, send)
        raise ConnectionError("actor died")

    with pytest.raises(ConnectionError):
        await got(dies)
