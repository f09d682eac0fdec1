"""Requests to what does not exist are told what does, in OpenAI's shape."""

import pytest

from tests.unit.serve_app.fake_services import Api, error_of


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/completions"),
        ("POST", "/v1/embeddings"),
        ("POST", "/chat/completions"),
        ("GET", "/v1/nothing"),
        ("DELETE", "/nothing"),
    ],
)
async def test_an_unknown_path_is_told_what_exists(api, method, path):
    """The message names the path, OpenAI's routes, and the list of all."""
    response = await api.http.request(method, path, json={} if method == "POST" else None)
    assert response.status_code == 404
    error = error_of(response)
    assert error["code"] == "not_found"
    assert f"no {path}." in error["message"]
    for route in ("POST /v1/chat/completions", "POST /v1/responses", "GET /v1/conversations/{"):
        assert route in error["message"]
    assert "/docs" in error["message"]


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/v1/business/answer", "POST /v1/business/ideas"),
        ("/v1/support/answers", "POST /v1/support/answer"),
        ("/v1/ticket", "GET, POST /v1/support/tickets"),
    ],
)
async def test_a_path_that_resembles_others_is_told_them(api, path, meant):
    """Which are those that the caller may have meant."""
    message = error_of(await api.http.post(path, json={}))["message"]
    assert meant in message.partition("Of OpenAI's API")[0]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("PATCH", "/v1/business/templates/a", "DELETE, GET, PUT"),
        ("OPTIONS", "/v1/support/tickets", "GET, POST"),
    ],
)
async def test_another_method_is_told_which_it_takes(api, method, path, allowed):
    """In the message and in the header Allow."""
    response = await api.http.request(method, path)
    assert response.status_code == 405
    assert response.headers["allow"] == allowed
    assert f"does not take {method}, only {allowed}" in error_of(response)["message"]


async def test_a_long_path_is_cut_in_the_message(api):
    """And shown in ASCII."""
    error = error_of(await api.http.get("/v1/" + "é" * 5000))
    assert len(error["message"]) < 900
    assert error["message"].isascii()


async def test_without_a_key_nothing_is_told():
    """Only clients with a key see which paths exist."""
    api = Api(api_keys="0123456789abcdef=acme")
    assert (await api.http.get("/v1/nothing")).status_code == 401
